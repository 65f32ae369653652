// A picture by this device's camera, where the browser lets the page see it: in a secure context, https or localhost.

import { iconButton } from "./code.js";
import { el } from "./dom.js";
import { t } from "./i18n.js";

export const hasCamera = () => Boolean(navigator.mediaDevices?.getUserMedia);

/** What the person takes, as a file; null when the sheet is closed before. Throws without a camera or a permission. */
export async function takePicture() {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } } });
  try {
    return await show(stream);
  } finally {
    for (const track of stream.getTracks()) track.stop();
  }
}

function show(stream) {
  return new Promise((resolve) => {
    let picture = null;
    const view = el("video", { autoplay: true, playsinline: true });
    view.muted = true;
    view.srcObject = stream;
    const shoot = async () => {
      picture = await frame(view);
      sheet.close();
    };
    const button = el("button", { type: "button", class: "quiet", "data-testid": "shutter", disabled: true, click: shoot }, t("take_picture"));
    view.addEventListener("playing", () => (button.disabled = false));
    const end = () => {
      sheet.remove();
      resolve(picture);
    };
    const sheet = el("dialog", { class: "help-sheet camera-sheet", "aria-label": t("take_picture"), close: end },
      el("header", { class: "panel-head" }, el("h2", {}, t("take_picture")), iconButton("close", "close", () => sheet.close())),
      view, button);
    document.body.append(sheet);
    sheet.showModal();
  });
}

function frame(view) {
  const canvas = el("canvas", { width: view.videoWidth, height: view.videoHeight });
  canvas.getContext("2d").drawImage(view, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
