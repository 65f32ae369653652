// Keeps the page's own files, whose address names their version, so that a later load costs nothing.
// It never touches the API, the page itself, or any answer that a key was sent for: those always come from the gateway.

const CACHE = "page";
const VERSIONED = /^\/static\/([\da-f]{12})\//;

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

addEventListener("fetch", (event) => {
  const { request } = event;
  const address = new URL(request.url);
  const version = VERSIONED.exec(address.pathname)?.[1];
  const isOwn = address.origin === location.origin && request.method === "GET" && !request.headers.has("authorization");
  if (version && isOwn) event.respondWith(fromCache(request, version));
});

/** A notice on a phone: the page is brought to the front. */
addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(clients.matchAll({ type: "window" }).then(([page]) => page?.focus()));
});

async function fromCache(request, version) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request.url);
  if (kept) return kept;
  const response = await fetch(request);
  // A file that the gateway does not call immutable is one of another version.
  if (response.ok && response.headers.get("cache-control")?.includes("immutable")) {
    await cache.put(request.url, response.clone());
    if (new URL(request.url).pathname.endsWith("/app.js")) await deleteOtherVersions(cache, version);
  }
  return response;
}

/** A new version of the page has come: the files of every other one are removed. */
async function deleteOtherVersions(cache, version) {
  for (const { url } of await cache.keys()) {
    if (VERSIONED.exec(new URL(url).pathname)?.[1] !== version) await cache.delete(url);
  }
}
