// The panel at the side: board, connect or settings, one at a time; beside the chat where there is room, else over it.

import { byId, setText } from "./dom.js";
import { Dashboard } from "./dashboard.js";
import { drawConnect } from "./connect.js";
import { onLanguage, t } from "./i18n.js";
import { drawSettings } from "./settings.js";

const WIDE = matchMedia("(min-width: 900px)");

let open = "";
let opener = null;
let redraw = () => {};

/** Redraws what the panel shows of the open conversation. */
export const redrawPanel = () => redraw();

export function preparePanel(actions) {
  const dashboard = new Dashboard(byId("panel-board"));
  const draw = {
    board: () => dashboard.build(),
    connect: () => drawConnect(byId("panel-connect")),
    settings: () => drawSettings(byId("panel-settings"), actions()),
  };
  redraw = () => open === "settings" && show(draw);
  for (const button of buttons()) button.addEventListener("click", () => toggle(button, draw));
  byId("panel-close").addEventListener("click", close);
  byId("panel").addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    close();
  });
  WIDE.addEventListener("change", arrange);
  onLanguage(() => open && show(draw));
}

const buttons = () => document.querySelectorAll("[data-panel]");

function toggle(button, draw) {
  if (open === button.dataset.panel) {
    close();
    return;
  }
  open = button.dataset.panel;
  opener = button;
  show(draw);
  byId("panel").focus({ preventScroll: true });
}

function show(draw) {
  setText(byId("panel-title"), t(open));
  arrange();
  draw[open]();
}

function close() {
  open = "";
  arrange();
  opener?.focus();
}

/** Over the chat, the panel has the keyboard and the reader for itself. */
function arrange() {
  byId("panel").hidden = !open;
  for (const name of ["board", "connect", "settings"]) byId(`panel-${name}`).hidden = name !== open;
  for (const button of buttons()) button.setAttribute("aria-expanded", String(button.dataset.panel === open));
  for (const id of ["chat", "sidebar"]) byId(id).inert = Boolean(open) && !WIDE.matches;
}
