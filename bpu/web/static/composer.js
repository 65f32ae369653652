// The prompt box: it grows with its text, Enter sends, and Enter that belongs to an input method never does.

import { Attachments } from "./attachments.js";
import { NO_MESSAGE } from "./conversations.js";
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
  /** `send(message)` when it is free, `queue(message)` while an answer is under way, `changed(message)` with every change
   * by the person; `waitingPictures()` is how many pictures the message has that waits. */
  constructor({ send, stop, queue, changed, waitingPictures }) {
    this.area = byId("prompt");
    this.sendButton = byId("send");
    this.stopButton = byId("stop");
    this.queueButton = byId("queue-next");
    this.busy = false;
    this.composing = false;
    Object.assign(this, { send, queue, changed });
    this.attachments = new Attachments({ changed: () => this.onChange(), waitingPictures });
    this.listen(stop);
    this.draw();
  }

  listen(stop) {
    this.area.addEventListener("input", () => this.onChange());
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

  onChange() {
    this.changed(this.message);
    this.draw();
  }

  /** Sends what is in the box, once the pictures are there that were chosen for it. */
  async submit() {
    const { box, reading } = this.attachments;
    while (reading.size) await Promise.all(reading);
    if (this.isEmpty || this.attachments.box !== box) return;
    const text = this.area.value.trim() ? this.area.value : t("picture_question");
    const message = { text, images: this.attachments.sent };
    this.set(NO_MESSAGE);
    this.onChange();
    if (this.busy) this.queue(message);
    else this.send(message);
  }

  /** What is in the box: the text and the pictures. */
  get message() {
    return { text: this.area.value, images: this.attachments.list };
  }

  get isEmpty() {
    return !this.area.value.trim() && !this.attachments.sent.length;
  }

  set({ text, images }) {
    this.area.value = text;
    this.attachments.set(images);
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
