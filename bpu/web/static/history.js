// Figures of the engine's events over time, while the page is open: the rates, and the first token of each job.

const MAX_VALUES = 90;
const WINDOW_S = 2;
const MIN_INTERVAL_S = 0.4; // A rate over less than this is noise.

export class SpeedHistory {
  constructor() {
    this.rates = [];
    this.firsts = [];
    this.id = "";
    this.counts = [];
  }

  /** `running` is the engine's running job or null; from the first token on it has {id, tokens, decode_s, first_token_s}. */
  take(running) {
    if (running?.first_token_s === undefined) return;
    const { id, tokens, decode_s: at } = running;
    if (this.id !== id) {
      this.id = id;
      this.counts = [];
      push(this.firsts, running.first_token_s);
    }
    if (this.counts.at(-1)?.at === at) return;
    this.counts.push({ at, tokens });
    while (this.counts.length > 2 && this.counts[1].at <= at - WINDOW_S) this.counts.shift();
    const [oldest] = this.counts;
    if (at - oldest.at >= MIN_INTERVAL_S) push(this.rates, (tokens - oldest.tokens) / (at - oldest.at));
  }
}

function push(values, value) {
  values.push(value);
  if (values.length > MAX_VALUES) values.shift();
}
