// The prompt box: it grows with its text, Enter sends, and Enter that belongs to an input method never does.

import { byId } from "./dom.js";

const LONGEST_PX = 240;

/** Does this key press send? Not while a Chinese word is being composed (229 is what older browsers say then). */
export const sends = (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229;

export function grow(area) {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight + 2, LONGEST_PX)}px`;
}

export class Composer {
  constructor({ send, stop }) {
    this.area = byId("prompt");
    this.sendButton = byId("send");
    this.stopButton = byId("stop");
    this.busy = false;
    this.composing = false;
    this.send = send;
    this.listen(stop);
    this.draw();
  }

  listen(stop) {
    this.area.addEventListener("input", () => this.draw());
    this.area.addEventListener("compositionstart", () => (this.composing = true));
    // Some browsers end the composition before they report its Enter: the flag falls one turn later.
    this.area.addEventListener("compositionend", () => setTimeout(() => (this.composing = false)));
    this.area.addEventListener("keydown", (event) => {
      if (!sends(event) || this.composing) return;
      event.preventDefault();
      this.submit();
    });
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.stopButton.addEventListener("click", () => {
      stop();
      this.area.focus();
    });
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.busy && !event.defaultPrevented && !event.isComposing) stop();
    });
  }

  submit() {
    const text = this.area.value;
    if (this.busy || !text.trim()) return;
    this.set("");
    this.send(text);
  }

  set(text) {
    this.area.value = text;
    this.draw();
  }

  setBusy(busy) {
    this.busy = busy;
    this.draw();
  }

  draw() {
    grow(this.area);
    this.sendButton.hidden = this.busy;
    this.stopButton.hidden = !this.busy;
    this.sendButton.disabled = !this.area.value.trim();
  }
}
