// Stores values as JSON under names that begin with "bpu."; in memory where the browser allows no storage.

const PREFIX = "bpu.";
const memory = new Map();

export function read(name, fallback = null) {
  if (memory.has(name)) return memory.get(name); // It is newer than what the browser keeps.
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? fallback : JSON.parse(text);
  } catch {
    return fallback;
  }
}

/** False when the browser has no room or no right to keep it; it is then held until the page is left. */
export function write(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
    memory.delete(name);
    return true;
  } catch {
    memory.set(name, value);
    return false;
  }
}

export function remove(name) {
  memory.delete(name);
  try {
    localStorage.removeItem(PREFIX + name);
  } catch {
    // Nothing was kept, so nothing is left.
  }
}

/** How many bytes the values take whose names begin with `start`; browsers count two for each character. */
export function storedSize(start = "") {
  try {
    return Object.keys(localStorage)
      .filter((name) => name.startsWith(PREFIX + start))
      .reduce((sum, name) => sum + 2 * (name.length + localStorage.getItem(name).length), 0);
  } catch {
    return 0;
  }
}

/** `listener(name, isRemoved)` when another tab of this browser changed something. */
export function onOtherTabChange(listener) {
  addEventListener("storage", (event) => {
    if (event.key?.startsWith(PREFIX)) listener(event.key.slice(PREFIX.length), event.newValue === null);
  });
}
