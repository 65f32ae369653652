// Draws what has changed at the next frame, for some milliseconds in each: what takes longer goes on in the next one, so that
// the page answers in between.

const SLICE_MS = 8;
const PAUSE_FACTOR = 3; // A drawing that took long is followed by a pause of so many times its length.
const HIDDEN_MS = 200;

const waiting = new Set();
let request = 0;
let timer = 0;
let pausedUntil = 0;

/** Calls `view.drawPart(hasTime)` at the next frame, and again until it returns true or `view.node` has left the page. */
export function drawSoon(view) {
  waiting.add(view);
  requestSlice();
}

/** Draws what fits into one slice now. */
export function drawSlice() {
  const began = performance.now();
  const hasTime = () => document.hidden || performance.now() - began < SLICE_MS;
  for (const view of waiting) {
    if (!view.node.isConnected || view.drawPart(hasTime)) waiting.delete(view);
    if (!hasTime()) break;
  }
  const now = performance.now();
  pausedUntil = waiting.size ? now : now + PAUSE_FACTOR * (now - began);
}

function requestSlice() {
  // A page in the background gets no frames, but it must be right when it is looked at or read by a program.
  if (document.hidden) timer ||= setTimeout(onFrame, HIDDEN_MS);
  else request ||= requestAnimationFrame(onFrame);
}

function onFrame() {
  cancelRequest();
  if (document.hidden || performance.now() >= pausedUntil) drawSlice();
  if (waiting.size) requestSlice();
}

function cancelRequest() {
  cancelAnimationFrame(request);
  clearTimeout(timer);
  request = timer = 0;
}

document.addEventListener("visibilitychange", () => {
  cancelRequest();
  if (waiting.size) requestSlice();
});
