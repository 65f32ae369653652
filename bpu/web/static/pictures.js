// The pictures of the conversations, by id. This browser's database keeps 32 MiB of them; the oldest are given up first.

const MAX_BYTES = 32 * 2 ** 20;
const STORE = "pictures";
/** What is not written yet, or cannot be: it is there until the page is left. */
const memory = new Map();
let opened = null;

const promised = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("bpu", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

const store = async (mode) => (await database()).transaction(STORE, mode).objectStore(STORE);

/** Keeps the picture at the data URL `url` under `id`. */
export async function keep(id, url) {
  memory.set(id, url);
  try {
    await promised((await store("readwrite")).put({ id, url, size: url.length, kept: Date.now() }));
    await giveUpOldest();
  } catch {
    // A browser without a database, or without room: the picture is there until the page is left.
  }
}

/** The data URL of a picture, "" when it is no longer kept. */
export async function find(id) {
  if (memory.has(id)) return memory.get(id);
  try {
    return (await promised((await store("readonly")).get(id)))?.url ?? "";
  } catch {
    return "";
  }
}

/** Removes the pictures that no conversation has any more. */
export async function sweep(ids) {
  const used = new Set(ids);
  try {
    for (const { id } of await all()) if (!used.has(id)) await remove(id);
  } catch {
    // Nothing is kept.
  }
}

const all = async () => promised((await store("readonly")).getAll());
const remove = async (id) => promised((await store("readwrite")).delete(id));

async function giveUpOldest() {
  const kept = (await all()).sort((one, other) => other.kept - one.kept);
  let size = 0;
  for (const picture of kept) {
    size += picture.size;
    if (size > MAX_BYTES) await remove(picture.id);
  }
}
