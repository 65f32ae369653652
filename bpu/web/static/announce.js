// Announces to screen readers: the answer in whole sentences as they come, and events in a few words.

import { byId, el } from "./dom.js";

const SENTENCE_END = /[.!?…](?=\s)|[。！？\n]/g;
const MAX_LINES = 30;
// The pieces of a sentence that is not whole yet: joined once, because joining at each piece takes quadratic time.
let pending = [];

export function announce(text) {
  const log = byId("announcer");
  if (!text.trim()) return;
  log.append(el("p", {}, text.trim()));
  while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
}

/** More of the answer; spoken once a sentence is whole. */
export function announcePiece(text) {
  const before = pending.at(-1)?.slice(-1) ?? ""; // a full stop at the end waits for the blank behind it
  const last = [...(before + text).matchAll(SENTENCE_END)].pop();
  pending.push(text);
  if (!last) return;
  const said = pending.join("");
  const end = said.length - text.length - before.length + last.index + 1;
  announce(said.slice(0, end));
  pending = [said.slice(end)];
}

export function announceEnd(text) {
  announce(pending.join(""));
  pending = [];
  announce(text);
}
