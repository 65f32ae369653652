// The state of the engine as the gateway tells it: one event stream, taken up again whenever it ends.

import { call } from "./api.js";
import { events } from "./stream.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;
const SILENCE_MS = 20000; // The gateway speaks every five seconds: longer silence means that the line is dead.

const listeners = new Set();
let abort = null;
let pause = FIRST_PAUSE_MS;
let wake = () => {};

/** `link` is "connecting", "online", "offline" or "locked"; `at` says when `engine` and `board` were true, for their
 * clocks; `isRestart` tells a load that follows a stop or a failure. */
export const now = { link: "connecting", engine: null, board: null, at: 0, isRestart: false };

/** `listener(now)` after each event and each change of the link. */
export function onEngine(listener) {
  listeners.add(listener);
}

/** Seconds that have gone since the last event: clocks in it have run on by as much. */
export const elapsed = () => (performance.now() - now.at) / 1000;

/** "ready", "busy" ... of the engine, or why nothing is known. */
export function stateName() {
  if (now.link === "online" && now.engine) return now.engine.state;
  return { offline: "offline", locked: "locked" }[now.link] ?? "unknown";
}

/** Where the job `id` stands: {phase, position, age_s}, or null when the engine does not know it. */
export function placeOf(id) {
  if (!id || !now.engine) return null;
  const same = (job) => job && (job.id === id || job.id.endsWith(id) || id.endsWith(job.id));
  if (same(now.engine.running)) return { position: 0, ...now.engine.running };
  const waiting = (now.engine.waiting ?? []).find(same);
  return waiting ? { phase: "queued", ...waiting } : null;
}

/** Looks again at once: a key was entered, or somebody wants to try. */
export function reconnect() {
  pause = FIRST_PAUSE_MS;
  abort?.abort();
  wake();
}

/** Follows the stream for ever. A page nobody looks at lets go of it. */
export async function follow() {
  addEventListener("visibilitychange", () => (document.hidden ? abort?.abort() : reconnect()));
  addEventListener("online", reconnect);
  for (;;) {
    if (!document.hidden) await listen();
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, pause);
    });
    pause = Math.min(pause * 1.6, LONGEST_PAUSE_MS);
  }
}

async function listen() {
  const mine = (abort = new AbortController());
  let watchdog = setTimeout(() => mine.abort(), SILENCE_MS);
  try {
    const response = await call("/v1/events", { signal: mine.signal });
    for await (const data of events(response.body)) {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => mine.abort(), SILENCE_MS);
      pause = FIRST_PAUSE_MS;
      tell({ ...JSON.parse(data), link: "online", at: performance.now() });
    }
    tell({ link: "offline" });
  } catch (error) {
    if (!document.hidden) tell({ link: error.status === 401 ? "locked" : "offline" });
  } finally {
    clearTimeout(watchdog);
  }
}

function tell(news) {
  const [before, after] = [now.engine?.state, news.engine?.state];
  // A load after anything but "stopped" follows an answer that was ended, or a failure; that of another model is none.
  if (after && news.engine.model !== now.engine?.model) now.isRestart = false;
  else if (after && after !== before) now.isRestart = ["ready", "busy", "stopping", "failed"].includes(before) || (now.isRestart && after !== "stopped" && before !== "stopped");
  Object.assign(now, news);
  for (const listener of listeners) listener(now);
}
