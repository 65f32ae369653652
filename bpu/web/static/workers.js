// The page's workers: one keeps its files, one reads formulas.

const SERVICE_WORKER = new URL("../service_worker.js", import.meta.url).pathname; // Its address has no version: it is compared at each load.
const FORMULA_WORKER = new URL("./formula_worker.js", import.meta.url).pathname;

let rules = null;

/** The address of a worker's script, as browsers with Trusted Types want it. */
function scriptAddress(path) {
  if (!window.trustedTypes) return path;
  rules ??= trustedTypes.createPolicy("workers", { createScriptURL: (text) => ([SERVICE_WORKER, FORMULA_WORKER].includes(text) ? text : "") });
  return rules.createScriptURL(path);
}

/** Makes the page installable where browsers allow it, on localhost and behind TLS: a service worker keeps its files. */
export async function install() {
  if (!isSecureContext || !("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register(scriptAddress(SERVICE_WORKER), { scope: "/" });
  } catch {
    // The page works without it.
  }
}

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
  const fresh = new Worker(scriptAddress(FORMULA_WORKER), { type: "module" });
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
