// The conversations of this browser: an index and one record each, so that saving one never rewrites the others.
//
// A message is {role, content} and, for an answer, {reasoning, reasoning_s, finish, stats}.

import { onOtherTab, read, remove, write } from "./store.js";

const INDEX = "conversations";
const record = (id) => `conversation.${id}`;

/** `{id, title, updated}` of all, the latest first. */
export const list = () => read(INDEX, []).sort((one, other) => other.updated - one.updated);

export function create() {
  return { id: newId(), title: "", created: Date.now(), updated: Date.now(), messages: [] };
}

export const load = (id) => read(record(id));

/** False when the browser could not keep it. An empty conversation is not worth keeping. */
export function save(conversation) {
  if (!conversation.messages.length) return true;
  conversation.title ||= titleOf(conversation.messages[0].content);
  const { id, title, updated } = conversation;
  const others = list().filter((entry) => entry.id !== id);
  const kept = write(record(id), conversation);
  return write(INDEX, [{ id, title, updated }, ...others]) && kept;
}

export function touch(conversation) {
  conversation.updated = Date.now();
}

export function discard(id) {
  write(INDEX, list().filter((entry) => entry.id !== id));
  remove(record(id));
}

export function discardAll() {
  for (const { id } of list()) remove(record(id));
  write(INDEX, []);
}

export const onChangeElsewhere = (listener) => onOtherTab((name) => name === INDEX && listener());

function titleOf(text) {
  const line = text.trim().split("\n")[0];
  const letters = [...line];
  return letters.length > 48 ? `${letters.slice(0, 47).join("")}…` : line;
}

/** `crypto.randomUUID` exists only on https and localhost, and a board is neither. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
