// Makes the page installable where browsers allow it, on localhost and behind TLS: a service worker keeps its files.

export async function install() {
  if (!isSecureContext || !("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register(address(new URL("../service_worker.js", import.meta.url).pathname), { scope: "/" });
  } catch {
    // The page works without it.
  }
}

/** The one address that may become a worker's script: the page's policy names this rule and no other. */
function address(path) {
  if (!window.trustedTypes) return path;
  const rules = trustedTypes.createPolicy("service-worker", { createScriptURL: (text) => (text === path ? text : "") });
  return rules.createScriptURL(path);
}
