// What the engine's events tell over time, while the page is open: the rate of each moment, the first token of each job.

const KEPT = 90;

export class History {
  constructor(clock = () => performance.now() / 1000) {
    this.clock = clock;
    this.rates = [];
    this.firsts = [];
    this.last = null;
  }

  /** `running` is the engine's running job or null: {id, phase, age_s, tokens}. */
  take(running) {
    const at = this.clock();
    const last = this.last;
    this.last = running && { ...running, at };
    if (!running) return;
    if (last?.id !== running.id) {
      if (running.tokens > 0) this.last.late = true; // It was answering before we looked: its first token is not known.
      return;
    }
    this.last.late = last.late;
    const more = running.tokens - last.tokens;
    if (last.tokens === 0 && running.tokens > 0 && !last.late) push(this.firsts, Math.max(0, running.age_s - 0.25));
    else if (more > 0 && at > last.at) push(this.rates, more / (at - last.at));
  }
}

function push(values, value) {
  values.push(value);
  if (values.length > KEPT) values.shift();
}
