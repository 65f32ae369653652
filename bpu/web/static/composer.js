// The prompt box: it grows with its text, Enter sends, and Enter that belongs to an input method never does.

import { Attachments } from "./attachments.js";
import { byId } from "./dom.js";
import { t } from "./i18n.js";

const MAX_HEIGHT_PX = 240;

/** Whether this key press sends. Not while a Chinese word is being composed (229 is what older browsers say then). */
export const isSendKey = (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229;

export function fitHeight(area) {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight + 2, MAX_HEIGHT_PX)}px`;
}

export class Composer {
  /** `send(text, pictures)` when it is free, `queue` while an answer is under way, `changed(text)` with every change. */
  constructor({ send, stop, queue, changed }) {
    this.area = byId("prompt");
    this.sendButton = byId("send");
    this.stopButton = byId("stop");
    this.queueButton = byId("queue-next");
    this.busy = false;
    this.composing = false;
    Object.assign(this, { send, queue, changed });
    this.attachments = new Attachments({ changed: () => this.draw() });
    this.listen(stop);
    this.draw();
  }

  listen(stop) {
    this.area.addEventListener("input", () => {
      this.changed(this.area.value);
      this.draw();
    });
    this.area.addEventListener("compositionstart", () => (this.composing = true));
    // Some browsers end the composition before they report its Enter: the flag falls one turn later.
    this.area.addEventListener("compositionend", () => setTimeout(() => (this.composing = false)));
    this.area.addEventListener("keydown", (event) => {
      if (!isSendKey(event) || this.composing) return;
      event.preventDefault();
      this.submit();
    });
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.queueButton.addEventListener("click", () => {
      this.submit();
      this.area.focus();
    });
    this.stopButton.addEventListener("click", () => {
      stop();
      this.area.focus();
    });
    addEventListener("keydown", (event) => {
      const isTaken = event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]");
      if (event.key === "Escape" && this.busy && !isTaken) stop();
    });
  }

  submit() {
    if (this.isEmpty) return;
    const text = this.area.value.trim() ? this.area.value : t("picture_question");
    const pictures = this.attachments.take();
    this.set("");
    this.changed("");
    if (this.busy) this.queue(text, pictures);
    else this.send(text, pictures);
  }

  get isEmpty() {
    return !this.area.value.trim() && (this.attachments?.isEmpty ?? true);
  }

  set(text, pictures = []) {
    this.area.value = text;
    this.attachments.set(pictures);
    this.draw();
  }

  setBusy(busy) {
    this.busy = busy;
    this.draw();
  }

  draw() {
    fitHeight(this.area);
    const { isEmpty } = this;
    this.sendButton.hidden = this.busy;
    this.stopButton.hidden = !this.busy;
    this.queueButton.hidden = !this.busy || isEmpty;
    this.sendButton.disabled = isEmpty;
  }
}
