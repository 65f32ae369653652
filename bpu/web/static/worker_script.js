// The scripts that may run as workers. The page's policy names the rule of this file, and no other.

const SERVICE_WORKER = new URL("../service_worker.js", import.meta.url).pathname; // Its address has no version: it is compared at each load.
const FORMULA_WORKER = new URL("./formula_worker.js", import.meta.url).pathname;

let rules = null;

/** The address of a worker's script, as browsers with Trusted Types want it. */
function scriptAddress(path) {
  if (!window.trustedTypes) return path;
  rules ??= trustedTypes.createPolicy("workers", { createScriptURL: (text) => ([SERVICE_WORKER, FORMULA_WORKER].includes(text) ? text : "") });
  return rules.createScriptURL(path);
}

export const serviceWorkerScript = () => scriptAddress(SERVICE_WORKER);
export const formulaWorkerScript = () => scriptAddress(FORMULA_WORKER);
