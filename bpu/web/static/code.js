// A block of code: its language, colours, a switch for long lines, copy and download.

import { announce } from "./announce.js";
import { el, icon, setIcon } from "./dom.js";
import { saveFile } from "./files.js";
import { highlight } from "./highlighter.js";
import { t } from "./i18n.js";
import { read, write } from "./store.js";

const FILE_EXTENSIONS = { python: "py", py: "py", javascript: "js", js: "js", bash: "sh", sh: "sh", shell: "sh", yaml: "yaml", yml: "yaml", json: "json", c: "c", cpp: "cpp", "c++": "cpp", html: "html", css: "css", sql: "sql", rust: "rs", go: "go", java: "java", markdown: "md", xml: "xml" };

const RECOLOUR_GROWTH = 1.3; // A growing block is coloured anew when it is so much longer, so that all of it costs little.
const colouredLengths = new WeakMap();

export function codeBlock(text, language = "") {
  const code = el("code", {}, text);
  colour(code, language);
  const ending = Object.hasOwn(FILE_EXTENSIONS, language.toLowerCase()) ? FILE_EXTENSIONS[language.toLowerCase()] : "txt";
  return el("div", { class: "code", "data-language": language },
    el("div", { class: "code-head" },
      el("span", { class: "code-language" }, language),
      wrapButton(),
      iconButton("save", "download", () => saveFile(`code.${ending}`, code.textContent)),
      copyButton(() => code.textContent)),
    // A long line scrolls, so the keyboard must be able to reach it.
    el("pre", { tabindex: "0" }, code));
}

/** Puts what has come into the block `node`; false when it is another one. `isClosed`: nothing more will come. */
export function extendCode(node, text, language, isClosed) {
  const code = node.querySelector?.(":scope.code > pre > code");
  const before = code?.textContent;
  if (!code || node.dataset.language !== language || !text.startsWith(before)) return false;
  if (text !== before) code.append(text.slice(before.length));
  const coloured = colouredLengths.get(code);
  if ((isClosed && text.length !== coloured) || text.length > RECOLOUR_GROWTH * coloured + 80) colour(code, language);
  return true;
}

function colour(code, language) {
  colouredLengths.set(code, code.textContent.length);
  if (language) highlight(code, language);
}

/** Long lines wrap or scroll, in every block alike. */
export function prepareWrap() {
  document.documentElement.toggleAttribute("data-wrap", read("wrap", false));
}

function wrapButton() {
  const button = iconButton("wrap", "wrap", () => {
    write("wrap", !read("wrap", false));
    prepareWrap();
    for (const other of document.querySelectorAll("[data-label=wrap]")) other.setAttribute("aria-pressed", String(read("wrap", false)));
  });
  button.setAttribute("aria-pressed", String(read("wrap", false)));
  return button;
}

/** A small button with a drawing; `key` names its label. */
export function iconButton(drawing, key, click) {
  return el("button", { type: "button", class: "icon small", "data-label": key, "aria-label": t(key), title: t(key), click }, icon(drawing));
}

/** A button that copies `text()` and says so for a moment. */
export function copyButton(text, key = "copy") {
  const button = iconButton("copy", key, async () => {
    const done = await copy(text());
    setIcon(button, done ? "check" : "close");
    if (done) announce(t("copied"));
    setTimeout(() => setIcon(button, "copy"), 1500);
  });
  return button;
}

/** The clipboard of browsers needs https or localhost; a board in the network has neither, so there is an older way. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea", { class: "hidden", readonly: true, "aria-hidden": "true" });
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
