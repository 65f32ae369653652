// How fast an answer comes: one piece of a stream is one token of the model, near enough until the figures arrive.

const WINDOW_S = 4;
const MIN_INTERVAL_S = 0.3; // A rate over less time, or over fewer tokens, tells nothing.
const MIN_TOKENS = 8;
const MAX_RATE = 1000; // No board is as fast: such a figure means that the answer came in one piece.

export class SpeedMeter {
  constructor(clock = () => performance.now() / 1000) {
    this.clock = clock;
    this.begin();
  }

  begin() {
    this.began = this.clock();
    this.times = [];
    this.count = 0;
    this.firstAfter = null;
    this.lastAfter = null;
    this.waited = null;
    this.figures = {};
  }

  /** The engine has started this job: its wait ends now. */
  endWait() {
    this.waited ??= this.age();
  }

  countToken() {
    const now = this.clock();
    this.firstAfter ??= now - this.began;
    this.lastAfter = now - this.began;
    this.count += 1;
    this.times.push(now);
    while (this.times[0] < now - WINDOW_S) this.times.shift();
  }

  /** Tokens per second over the last few seconds; null until there is something to measure. */
  rate() {
    return this.times.length ? plausibleRate(this.times.length - 1, this.times.at(-1) - this.times[0]) : null;
  }

  /** Seconds since the question was sent. */
  age() {
    return this.clock() - this.began;
  }

  /** What is kept with the answer; the gateway's own figures, which may come in two chunks, win over what was seen. */
  stats(usage, timings) {
    Object.assign(this.figures, usage && { usage }, timings && { timings });
    return this.recordedStats(this.figures);
  }

  recordedStats({ usage, timings }) {
    const tokens = usage?.completion_tokens ?? this.count;
    const waited = Math.min(this.waited ?? 0, this.firstAfter ?? 0);
    return {
      first_s: this.firstAfter === null ? null : this.firstAfter - waited,
      waited_s: waited,
      rate: timings ? plausibleRate(timings.predicted_n, timings.predicted_ms / 1000) : plausibleRate(this.count - 1, this.lastAfter - this.firstAfter),
      tokens,
      prompt: usage?.prompt_tokens ?? null,
      reasoning: usage?.completion_tokens_details?.reasoning_tokens ?? 0,
      cached: usage?.prompt_tokens_details?.cached_tokens ?? timings?.cache_n ?? 0,
    };
  }
}

function plausibleRate(tokens, seconds) {
  const rate = tokens / seconds;
  return tokens >= MIN_TOKENS && seconds >= MIN_INTERVAL_S && rate < MAX_RATE ? rate : null;
}
