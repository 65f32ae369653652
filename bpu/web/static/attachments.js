// The pictures in the prompt box, {id, alt} of each: chosen, pasted, dropped, or taken with the camera. They are shrunk here.

import { hasCamera, takePicture } from "./camera.js";
import { iconButton } from "./code.js";
import { keepPicture } from "./conversations.js";
import { byId, el } from "./dom.js";
import { showError } from "./errors.js";
import { onLanguage, t } from "./i18n.js";
import { onModels, seesImages } from "./models.js";
import { find } from "./pictures.js";

const MAX_SIDE_PX = 1024;
const QUALITY = 0.85;
const MAX_PICTURES = 8;

export class Attachments {
  /** `changed()` is called when the person has changed the pictures or their words. A message that waits takes what is
   * sent after it, so its `waitingPictures()` count here. */
  constructor({ changed, waitingPictures }) {
    Object.assign(this, { changed, waitingPictures });
    this.list = [];
    this.box = {};
    this.reading = new Set();
    this.input = byId("picture-file");
    this.camera = byId("picture-camera");
    byId("attach").addEventListener("click", () => this.input.click());
    byId("take-picture").addEventListener("click", () => this.shoot());
    for (const input of [this.input, this.camera]) input.addEventListener("change", () => this.add([...input.files]).then(() => (input.value = "")));
    // Cells of a sheet are on the clipboard as a text and as a picture of it: the text is meant.
    byId("prompt").addEventListener("paste", (event) => event.clipboardData?.types.includes("text/plain") || this.takeFrom(event, event.clipboardData));
    this.listenToDrops(byId("chat"));
    onModels("attachments", () => this.draw());
    onLanguage(() => this.draw());
  }

  listenToDrops(area) {
    const mark = (on) => area.classList.toggle("dropping", on);
    area.addEventListener("dragover", (event) => {
      if (!seesImages() || ![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      mark(true);
    });
    area.addEventListener("dragleave", (event) => area.contains(event.relatedTarget) || mark(false));
    area.addEventListener("drop", (event) => {
      mark(false);
      this.takeFrom(event, event.dataTransfer);
    });
  }

  takeFrom(event, data) {
    const files = [...(data?.files ?? [])].filter(({ type }) => type.startsWith("image/"));
    if (!files.length || !seesImages()) return;
    event.preventDefault();
    this.add(files);
  }

  /** A picture by the camera: in the page where the browser allows that, else by what the system offers. */
  async shoot() {
    if (!hasCamera()) return this.camera.click();
    try {
      const picture = await takePicture();
      if (picture) await this.add([picture]);
    } catch {
      this.camera.click();
    }
  }

  async add(files) {
    const reading = this.read(files);
    this.reading.add(reading);
    await reading;
    this.reading.delete(reading);
  }

  async read(files) {
    const { box } = this;
    for (const file of files) {
      if (this.list.length + this.waitingPictures() >= MAX_PICTURES) return showError({ code: "pictures", message: file.name });
      try {
        const url = await shrink(file);
        if (this.box !== box) return; // Another conversation was opened, or the message was sent.
        this.change([...this.list, keepPicture(url)]);
      } catch {
        showError({ code: "picture", message: file.name });
      }
    }
  }

  /** The pictures that go with a message now. */
  get sent() {
    return seesImages() ? this.list : [];
  }

  set(list) {
    this.box = {}; // What was chosen before belongs to what was here before.
    this.list = list;
    this.draw();
  }

  change(list) {
    this.list = list;
    this.draw();
    this.changed();
  }

  draw() {
    const sees = seesImages();
    byId("attach").hidden = !sees;
    byId("take-picture").hidden = !sees;
    byId("attachments").hidden = !this.sent.length;
    byId("attachments").replaceChildren(...this.list.map((picture) => this.item(picture)));
  }

  item(picture) {
    const words = el("input", { type: "text", maxlength: "300", placeholder: t("picture_alt"), "aria-label": t("picture_alt") });
    words.value = picture.alt;
    words.addEventListener("input", () => {
      picture.alt = words.value;
      this.changed();
    });
    const image = el("img", { alt: picture.alt });
    find(picture.id).then((url) => (url ? image.setAttribute("src", url) : image.replaceWith(t("picture_gone"))));
    const remove = iconButton("close", "picture_remove", () => this.change(this.list.filter((other) => other !== picture)));
    return el("li", { "data-testid": "attachment" }, image, words, remove);
  }
}

/** The picture in `file` as a JPEG of at most 1,024 pixels a side, turned right. */
async function shrink(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, MAX_SIDE_PX / Math.max(bitmap.width, bitmap.height));
  const canvas = el("canvas", { width: Math.max(1, Math.round(bitmap.width * scale)), height: Math.max(1, Math.round(bitmap.height * scale)) });
  const drawing = canvas.getContext("2d");
  drawing.fillStyle = "#fff"; // What is transparent.
  drawing.fillRect(0, 0, canvas.width, canvas.height);
  drawing.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.toDataURL("image/jpeg", QUALITY);
}
