// How fast an answer comes: one piece of a stream is one token of the model, near enough until the figures arrive.

const WINDOW_S = 4;

export class Meter {
  constructor(clock = () => performance.now() / 1000) {
    this.clock = clock;
    this.began = clock();
    this.times = [];
    this.count = 0;
    this.firstAfter = null;
  }

  piece() {
    const now = this.clock();
    this.firstAfter ??= now - this.began;
    this.count += 1;
    this.times.push(now);
    while (this.times[0] < now - WINDOW_S) this.times.shift();
  }

  /** Tokens per second over the last few seconds; null until there is something to measure. */
  rate() {
    if (this.times.length < 3) return null;
    const span = this.times.at(-1) - this.times[0];
    return span > 0 ? (this.times.length - 1) / span : null;
  }

  /** Seconds since the question was sent. */
  age() {
    return this.clock() - this.began;
  }

  /** What is kept with the answer; the gateway's own figures win over what was seen here. */
  stats(usage, timings) {
    return {
      first_s: this.firstAfter,
      rate: timings?.predicted_per_second ?? this.rate(),
      tokens: usage?.completion_tokens ?? this.count,
      cached: usage?.prompt_tokens_details?.cached_tokens ?? timings?.cache_n ?? 0,
    };
  }
}
