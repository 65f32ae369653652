// Makes the page installable where browsers allow it, on localhost and behind TLS: a service worker keeps its files.

import { serviceWorkerScript } from "./workers.js";

export async function install() {
  if (!isSecureContext || !("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register(serviceWorkerScript(), { scope: "/" });
  } catch {
    // The page works without it.
  }
}
