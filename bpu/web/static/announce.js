// What a screen reader hears: the answer in whole sentences as they come, and the turns of events in a few words.

import { byId, el } from "./dom.js";

const SENTENCE_END = /[.!?…](?=\s)|[。！？\n]/g;
const KEPT = 30;
let pending = "";

export function announce(text) {
  const log = byId("announcer");
  if (!text.trim()) return;
  log.append(el("p", {}, text.trim()));
  while (log.childElementCount > KEPT) log.firstElementChild.remove();
}

/** More of the answer; spoken once a sentence is whole. */
export function announcePiece(text) {
  const from = Math.max(0, pending.length - 1); // a full stop at the end waits for the blank behind it
  pending += text;
  const last = [...pending.slice(from).matchAll(SENTENCE_END)].pop();
  if (!last) return;
  const end = from + last.index + 1;
  announce(pending.slice(0, end));
  pending = pending.slice(end);
}

export function announceEnd(text) {
  announce(pending);
  pending = "";
  announce(text);
}
