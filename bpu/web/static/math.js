// Formulas: LaTeX to MathML. A worker reads them, and nodes are made here of the trees that it answers with.
// Until then, and where it cannot read one, the source that the model wrote stays on the page.

import { el } from "./dom.js";
import { drawSoon } from "./draw_queue.js";
import { treesOf } from "./workers.js";

const MAX_SOURCE_LENGTH = 6000;
const MAX_CACHED = 500;
const MAX_ASKED = 200; // The worker has so many formulas at a time: of others that wait, those that leave the page cost nothing.

/** The node of each formula. The same formula is drawn once: a growing paragraph is drawn anew with every token. */
const cache = new Map();
/** Formulas that are not drawn yet, {key, source, display, nodes, tree}: `tree` is undefined until the worker has answered. */
const waiting = new Map();
const answered = new Set();
let isAsking = false;

/** A node that shows the formula `source`; display formulas may scroll sideways. */
export function mathNode(source, display) {
  const node = display ? el("span", { class: "math display", tabindex: "0" }) : el("span", { class: "math" });
  const key = `${display}${source}`;
  if (cache.has(key)) {
    show(node, key);
    return node;
  }
  node.textContent = source.trim();
  if (!waiting.has(key)) waiting.set(key, { key, source, display, nodes: [], tree: undefined });
  waiting.get(key).nodes.push(node);
  drawSoon(queue);
  return node;
}

/** What the draw queue calls: formulas are drawn while there is time. */
const queue = {
  node: document.documentElement,
  drawPart(hasTime) {
    askWorker();
    for (const formula of answered) {
      answered.delete(formula);
      draw(formula);
      if (!hasTime()) break;
    }
    return !answered.size;
  },
};

async function askWorker() {
  if (isAsking) return;
  isAsking = true;
  try {
    for (let asked; (asked = nextAsked()).length; ) {
      let at = 0;
      for await (const tree of treesOf(asked.map(({ source, display }) => ({ source: textOf(source), display })))) settle(asked[at++], tree);
    }
  } catch {
    // There is no worker: the next formula tries again.
  }
  isAsking = false;
}

/** The formulas that the worker is asked for next; those that have left the page are forgotten. */
function nextAsked() {
  const asked = [];
  for (const [key, formula] of waiting) {
    if (formula.tree !== undefined) continue;
    if (!formula.nodes.some(({ isConnected }) => isConnected)) waiting.delete(key);
    else if (textOf(formula.source).length > MAX_SOURCE_LENGTH) settle(formula, null);
    else if (asked.push(formula) === MAX_ASKED) break;
  }
  return asked;
}

const textOf = (source) => source.trim().replace(/\n\s{0,200}\n/g, "\n");

function settle(formula, tree) {
  formula.tree = tree;
  answered.add(formula);
  drawSoon(queue);
}

function draw({ key, source, nodes, tree }) {
  waiting.delete(key);
  if (cache.size >= MAX_CACHED) cache.delete(cache.keys().next().value);
  cache.set(key, formulaNode(source, tree));
  for (const node of nodes) if (node.isConnected) show(node, key);
}

const show = (node, key) => node.replaceChildren(cache.get(key).cloneNode(true));

function formulaNode(source, tree) {
  try {
    if (tree) return nodeOf(tree);
  } catch {
    // It holds what no formula needs.
  }
  return el("code", { class: "math-source" }, source.trim());
}

const MATHML = "http://www.w3.org/1998/Math/MathML";
const NAMES = new Set([
  "math", "menclose", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover", "mpadded", "mphantom", "mprescripts", "mroot", "mrow", "mspace", "msqrt",
  "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover", "none", "span",
]);
/** An address, an id or a listener is never among them. */
const ATTRIBUTES = new Set([
  "accent", "accentunder", "columnalign", "columnlines", "columnspacing", "columnspan", "depth", "display", "displaystyle", "fence", "form",
  "height", "largeop", "linethickness", "lspace", "mathbackground", "mathcolor", "mathsize", "mathvariant", "maxsize", "minsize", "movablelimits",
  "notation", "rowalign", "rowlines", "rowspacing", "rowspan", "rspace", "scriptlevel", "separator", "stretchy", "symmetric", "voffset", "width",
]);
/** None of them takes an address. */
const PROPERTIES = new Set([
  "border", "borderBottom", "borderLeft", "borderRight", "borderTop", "bottom", "color", "display", "font-family", "font-style", "font-weight", "fontWeight",
  "height", "justifyContent", "left", "marginLeft", "math-depth", "mathDepth", "padding", "paddingBottom", "paddingLeft", "paddingRight", "paddingTop",
  "position", "right", "text-align", "textAlign", "transform", "width",
]);
/** Those of the style sheet's rules for formulas. */
const CLASS = /^(?:tml-[\w-]+|menclose|upstrike|downstrike|sout)$/;

/** The node of `tree`; what no formula needs is left out, an element of another name is an error. */
export function nodeOf(tree) {
  if (typeof tree === "string") return document.createTextNode(tree);
  const { name, attributes, style, children } = tree;
  if (!NAMES.has(name)) throw new TypeError(name);
  const node = name === "span" ? document.createElement(name) : document.createElementNS(MATHML, name);
  for (const [key, value] of Object.entries(attributes)) if (ATTRIBUTES.has(key)) node.setAttribute(key, value);
  for (const part of (attributes.class ?? "").split(" ")) if (CLASS.test(part)) node.classList.add(part);
  for (const [key, value] of Object.entries(style)) if (PROPERTIES.has(key)) node.style[key] = value;
  for (const child of children) node.append(nodeOf(child));
  return node;
}
