// A block of code with its language and a copy button.

import { announce } from "./announce.js";
import { el, icon, setIcon } from "./dom.js";
import { t } from "./i18n.js";

export function codeBlock(text, language = "") {
  return el("div", { class: "code" },
    el("div", { class: "code-head" }, el("span", {}, language), copyButton(() => text)),
    // A long line scrolls, so the keyboard must be able to reach it.
    el("pre", { tabindex: "0" }, el("code", {}, text)));
}

/** A button that copies `text()` and says so for a moment. */
export function copyButton(text, key = "copy") {
  const button = el("button", { type: "button", class: "icon small", "data-label": key, "aria-label": t(key), title: t(key) }, icon("copy"));
  button.addEventListener("click", async () => {
    const done = await copy(text());
    setIcon(button, done ? "check" : "close");
    if (done) announce(t("copied"));
    setTimeout(() => setIcon(button, "copy"), 1500);
  });
  return button;
}

/** The clipboard of browsers needs https or localhost; a board on the LAN has neither, so there is an older way. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { class: "hidden", readonly: true, "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
