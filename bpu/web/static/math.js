// Formulas: LaTeX to MathML by the library `temml`, which is fetched when the first formula comes.
// What it cannot read stays on the page as the source that the model wrote.

import { el } from "./dom.js";
import { drawSoon } from "./draw_queue.js";

const MAX_SOURCE_LENGTH = 6000;
const MAX_CACHED = 500;
const MATHML = "http://www.w3.org/1998/Math/MathML";
/** All that temml's output needs; an address, an id or a listener is never among it. */
const ATTRIBUTES = new Set([
  "accent", "accentunder", "class", "columnalign", "columnlines", "columnspacing", "columnspan", "depth", "display", "displaystyle", "fence", "form",
  "height", "largeop", "linethickness", "lspace", "mathbackground", "mathcolor", "mathsize", "mathvariant", "maxsize", "minsize", "movablelimits",
  "notation", "rowalign", "rowlines", "rowspacing", "rowspan", "rspace", "scriptlevel", "separator", "stretchy", "style", "symmetric", "voffset", "width",
]);

const cache = new Map();
const waiting = new Set();
let temml = null;
let loading = null;

/** A node that shows the formula `source`; display formulas may scroll sideways. */
export function mathNode(source, display) {
  const node = display ? el("span", { class: "math display", tabindex: "0" }) : el("span", { class: "math" });
  if (cache.has(keyOf(source, display))) {
    typeset(node, source, display);
    return node;
  }
  node.textContent = source.trim();
  waiting.add([node, source, display]);
  if (temml) drawSoon(queue);
  else loading ??= load();
  return node;
}

/** What the draw queue calls: formulas are set while there is time; until then their sources can be read. */
const queue = {
  node: document.documentElement,
  drawPart(hasTime) {
    for (const formula of waiting) {
      waiting.delete(formula);
      if (formula[0].isConnected) typeset(...formula);
      if (!hasTime()) break;
    }
    return !waiting.size;
  },
};

const keyOf = (source, display) => `${display}${source}`;

async function load() {
  try {
    ({ default: temml } = await import("./vendor/temml.js"));
    drawSoon(queue);
  } catch {
    loading = null; // The next formula tries again.
  }
}

/** The same formula is drawn once: a growing paragraph is drawn anew with every token. */
function typeset(node, source, display) {
  const key = keyOf(source, display);
  if (!cache.has(key)) {
    if (cache.size >= MAX_CACHED) cache.delete(cache.keys().next().value);
    cache.set(key, convert(source, display));
  }
  node.replaceChildren(cache.get(key).cloneNode(true));
}

function convert(source, display) {
  const text = source.trim().replace(/\n\s{0,200}\n/g, "\n");
  try {
    if (text.length > MAX_SOURCE_LENGTH) throw new RangeError(text);
    const holder = document.createElement("span");
    temml.render(text, holder, { displayMode: display, throwOnError: true, trust: false, wrap: display ? "none" : "tex", maxExpand: 200, maxSize: [20, 400] });
    const [node] = holder.children;
    if (!sanitize(node)) throw new TypeError(text);
    return node;
  } catch {
    return el("code", { class: "math-source" }, source.trim());
  }
}

/** Removes attributes that no formula needs; false when the tree holds more than MathML and plain spans. */
function sanitize(root) {
  for (const node of [root, ...root.querySelectorAll("*")]) {
    if (node.namespaceURI !== MATHML && node.localName !== "span") return false;
    for (const { name } of [...node.attributes]) if (!ATTRIBUTES.has(name)) node.removeAttribute(name);
  }
  return true;
}
