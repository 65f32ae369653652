// Keyboard shortcuts, and the sheet that lists them.

import { byId, el } from "./dom.js";
import { onLanguage, t } from "./i18n.js";

const SHORTCUTS = [
  ["Enter", "send_key"], ["Shift+Enter", "line_key"], ["Esc", "stop_key"], ["Alt+N", "new_chat"], ["Alt+K", "search"], ["Alt+T", "think"],
  ["Alt+↑ / Alt+↓", "walk_key"], ["Alt+B", "board"], ["/", "prompt_key"], ["?", "help"],
];

export function prepareHelp({ walk }) {
  const sheet = byId("help-sheet");
  byId("help").addEventListener("click", () => sheet.showModal());
  byId("help-close").addEventListener("click", () => sheet.close());
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
  onLanguage(() => byId("help-list").replaceChildren(...SHORTCUTS.map(([keys, word]) =>
    el("div", {}, el("dt", {}, keys.split(/( \/ )/).map((part) => (part.trim() === "/" && keys !== "/" ? part : el("kbd", {}, part)))), el("dd", {}, t(word))))));
  addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const action = event.altKey && !event.ctrlKey && !event.metaKey ? handleAltKey(event, walk) : isTyping(event) || event.ctrlKey || event.metaKey || event.altKey ? null : handleKey(event, sheet);
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/** By the key's place, because Alt makes other letters on some keyboards. */
function handleAltKey({ code }, walk) {
  const press = (id) => () => byId(id).click();
  return {
    KeyN: press("new-chat"), KeyT: press("think"), KeyB: () => document.querySelector("[data-panel=board]").click(),
    KeyK: () => {
      if (byId("sidebar").hidden) byId("menu").click();
      byId("search").focus();
    },
    ArrowUp: () => walk(-1), ArrowDown: () => walk(1),
  }[code];
}

function handleKey({ key }, sheet) {
  if (key === "/") return () => byId("prompt").focus();
  return key === "?" ? () => sheet.showModal() : null;
}

const isTyping = ({ target }) => target.closest?.("input, textarea, select, [contenteditable]");
