// Asks the worker that reads formulas for their trees. It starts with the first formula, and anew when it was lost.

import { formulaWorkerScript } from "./worker_script.js";

const LIMIT_MS = 3000;

let worker = null;

/** Yields the trees of `formulas`, {source, display}, in their order; null for one that the worker cannot read.
 *
 * The worker is lost over a formula that ends it or takes too long: its tree is null, and those behind it are left out.
 * One call at a time; it fails where no worker can be started. */
export async function* treesOf(formulas) {
  worker ??= await start();
  worker.postMessage(formulas);
  for (const _ of formulas) {
    try {
      yield await nextMessage(worker, LIMIT_MS);
    } catch {
      worker.terminate();
      worker = null;
      yield null;
      return;
    }
  }
}

async function start() {
  const fresh = new Worker(formulaWorkerScript(), { type: "module" });
  await nextMessage(fresh); // It comes when the library has, so there is no limit but the network's.
  return fresh;
}

/** What `from`, a worker, says next; fails when it ends or cannot be understood, or says nothing for `limit` milliseconds. */
function nextMessage(from, limit) {
  return new Promise((resolve, reject) => {
    const timer = limit && setTimeout(reject, limit);
    const settle = (end) => (event) => {
      clearTimeout(timer);
      end(event.data);
    };
    from.onmessage = settle(resolve);
    from.onerror = from.onmessageerror = settle(reject);
  });
}
