// The state of the engine, from one event stream of the gateway that is reopened whenever it ends.

import { call } from "./api.js";
import { events } from "./stream.js";

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 8000;
const SILENCE_LIMIT_MS = 20000; // The gateway speaks every five seconds: longer silence means that the connection is dead.

const listeners = new Set();
let abort = null;
let pause = FIRST_PAUSE_MS;
let endPause = () => {};

/** `link` is "connecting", "online", "offline" or "locked"; `at` says when `engine` and `board` were true, for their
 * clocks; `isRestart` tells a load that follows a stop or a failure; `connection` is another number after each break, also
 * one that nobody saw because the page was hidden. */
export const engineStatus = { link: "connecting", engine: null, board: null, at: 0, isRestart: false, connection: 0 };

/** `listener(now)` after each event and each change of the link. */
export function onEngine(listener) {
  listeners.add(listener);
}

/** Seconds since the last event; durations in it have grown by as much. */
export const secondsSinceEvent = () => (performance.now() - engineStatus.at) / 1000;

/** "ready", "busy" ... of the engine, or why nothing is known. */
export function stateName() {
  if (engineStatus.link === "online" && engineStatus.engine) return engineStatus.engine.state;
  return { offline: "offline", locked: "locked" }[engineStatus.link] ?? "unknown";
}

/** Where the job `id` stands: {phase, position, age_s}, or null when the engine does not know it. */
export function queuePlaceOf(id) {
  if (!id || !engineStatus.engine) return null;
  const same = (job) => job && (job.id === id || job.id.endsWith(id) || id.endsWith(job.id));
  if (same(engineStatus.engine.running)) return { position: 0, ...engineStatus.engine.running };
  const waiting = (engineStatus.engine.waiting ?? []).find(same);
  return waiting ? { phase: "queued", ...waiting } : null;
}

/** Reconnects at once: a key was entered, or the user retries. */
export function reconnect() {
  pause = FIRST_PAUSE_MS;
  abort?.abort();
  endPause();
}

/** Follows the stream while the page is open; a hidden page closes it. */
export async function followEvents() {
  addEventListener("visibilitychange", () => (document.hidden ? abort?.abort() : reconnect()));
  addEventListener("online", reconnect);
  for (;;) {
    if (!document.hidden) await readEvents();
    await new Promise((resolve) => {
      endPause = resolve;
      setTimeout(resolve, pause);
    });
    pause = Math.min(pause * 1.6, MAX_PAUSE_MS);
  }
}

async function readEvents() {
  const mine = (abort = new AbortController());
  let watchdog = setTimeout(() => mine.abort(), SILENCE_LIMIT_MS);
  try {
    const response = await call("/v1/events", { signal: mine.signal });
    engineStatus.connection += 1;
    for await (const data of events(response.body)) {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => mine.abort(), SILENCE_LIMIT_MS);
      pause = FIRST_PAUSE_MS;
      publish({ ...JSON.parse(data), link: "online", at: performance.now() });
    }
    publish({ link: "offline" });
  } catch (error) {
    if (!document.hidden) publish({ link: error.status === 401 ? "locked" : "offline" });
  } finally {
    clearTimeout(watchdog);
  }
}

function publish(update) {
  const [before, after] = [engineStatus.engine?.state, update.engine?.state];
  // A load after anything but "stopped" follows an answer that was ended, or a failure; a load of another model is no restart.
  if (after && update.engine.model !== engineStatus.engine?.model) engineStatus.isRestart = false;
  else if (after && after !== before) engineStatus.isRestart = ["ready", "busy", "stopping", "failed"].includes(before) || (engineStatus.isRestart && after !== "stopped" && before !== "stopped");
  Object.assign(engineStatus, update);
  for (const listener of listeners) listener(engineStatus);
}
