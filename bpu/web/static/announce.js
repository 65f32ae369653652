// What a screen reader hears: the answer in whole sentences as they come, and the turns of events in a few words.

import { byId, el } from "./dom.js";

const SENTENCE = /[\s\S]*(?:[.!?…](?=\s)|[。！？\n])/;
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
  pending += text;
  const whole = SENTENCE.exec(pending)?.[0] ?? "";
  if (!whole) return;
  pending = pending.slice(whole.length);
  announce(whole);
}

export function announceEnd(text) {
  announce(pending);
  pending = "";
  announce(text);
}
