// What a screen reader hears: the answer in whole sentences as they come, and the turns of events in a few words.

import { byId, el } from "./dom.js";

const SENTENCE_END = /[.!?…](?=\s)|[。！？\n]/g;
const KEPT = 30;
let pending = "";
let latest = ""; // the last character of `pending`, apart: a look at a long text that grows would copy it each time

export function announce(text) {
  const log = byId("announcer");
  if (!text.trim()) return;
  log.append(el("p", {}, text.trim()));
  while (log.childElementCount > KEPT) log.firstElementChild.remove();
}

/** More of the answer; spoken once a sentence is whole. */
export function announcePiece(text) {
  const looked = latest + text; // a full stop at the end waits for the blank behind it
  const before = pending.length - latest.length;
  pending += text;
  latest = text.at(-1) ?? latest;
  const last = [...looked.matchAll(SENTENCE_END)].pop();
  if (!last) return;
  const end = before + last.index + 1;
  announce(pending.slice(0, end));
  pending = pending.slice(end);
  latest = pending && latest;
}

export function announceEnd(text) {
  announce(pending);
  pending = latest = "";
  announce(text);
}
