// A line that says what was just done, with a button that undoes it while the line is shown.

import { announce } from "./announce.js";
import { byId, el } from "./dom.js";
import { t } from "./i18n.js";

const SHOWN_MS = 12000;
let timer = 0;

export function offerUndo(key, undo) {
  const bar = byId("undo-bar");
  const close = () => {
    clearTimeout(timer);
    bar.hidden = true;
  };
  bar.replaceChildren(
    el("span", {}, t(key)),
    el("button", { type: "button", class: "link", "data-testid": "undo", click: () => {
      close();
      undo();
    } }, t("undo")));
  bar.hidden = false;
  announce(t(key));
  clearTimeout(timer);
  timer = setTimeout(close, SHOWN_MS);
}
