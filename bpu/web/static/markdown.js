// Draws Markdown as DOM nodes. The library `marked` makes tokens of the text; no HTML is ever parsed.
// A growing answer is drawn many times a second, so a block that has not changed since the last call keeps its node.

import { codeBlock, extendCode } from "./code.js";
import { el } from "./dom.js";
import { t } from "./i18n.js";
import { mathNode } from "./math.js";
import { mathExtensions } from "./math_syntax.js";
import { Lexer, Marked, Tokenizer } from "./vendor/marked.js";

const MAX_DEPTH = 12;
const MAX_INLINE_LENGTH = 8000; // Inline parsing may cost the square of its text, and no paragraph of a person is longer.
const MAX_QUOTE_LENGTH = 8000; // The library reads all that may follow at each block quote; one that is longer goes on as a second one.
const SAFE_URL = /^(?:https?:\/\/|mailto:)[^\s<>"]{1,2000}$/i;
const LINE_BREAK = /^<br\s{0,3}\/?>$/i;
const ENTITY = /&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([A-Za-z]{2,8}));/g;
const NAMED = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", reg: "®", trade: "™", hellip: "…", mdash: "—", ndash: "–",
  lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”", laquo: "«", raquo: "»", times: "×", divide: "÷", plusmn: "±", deg: "°", middot: "·", bull: "•",
  le: "≤", ge: "≥", ne: "≠", asymp: "≈", infin: "∞", rarr: "→", larr: "←", uarr: "↑", darr: "↓", harr: "↔", rArr: "⇒", sum: "∑", radic: "√", pi: "π",
  alpha: "α", beta: "β", gamma: "γ", delta: "δ", theta: "θ", lambda: "λ", mu: "μ", sigma: "σ", omega: "ω", euro: "€", pound: "£", yen: "¥", sect: "§",
  ensp: "\u2002", emsp: "\u2003", thinsp: "\u2009", zwj: "\u200d", zwnj: "\u200c", frac12: "½", sup2: "²", sup3: "³", check: "✓",
};

/** `**bold**` beside Chinese letters and marks: CommonMark asks for blanks there, which Chinese text does not have. */
const strong = {
  name: "strong", level: "inline",
  start: (text) => indexOrNone(text, "**"),
  tokenizer(text) {
    const found = /^\*\*(?![\s*])([^*\n]{1,2000})\*\*(?!\*)/.exec(text);
    if (!found || /\s$/.test(found[1])) return undefined;
    return { type: "strong", raw: found[0], tokens: this.lexer.inlineTokens(found[1]) };
  },
};

const indexOrNone = (text, part) => {
  const at = text.indexOf(part);
  return at < 0 ? undefined : at;
};

const tokenizer = {
  blockquote(text) {
    const end = text.indexOf("\n", MAX_QUOTE_LENGTH);
    return Tokenizer.prototype.blockquote.call(this, end < 0 ? text : text.slice(0, end));
  },
};

const syntax = new Marked({ gfm: true, breaks: true }, { extensions: [...mathExtensions, strong], tokenizer }).defaults;

/** A lexer that goes no deeper than a reader can follow, and takes a paragraph of absurd length as plain text. */
class BoundedLexer extends Lexer {
  depth = 0;

  blockTokens(text, tokens = [], ...rest) {
    if (this.depth > MAX_DEPTH) {
      tokens.push({ type: "paragraph", raw: text, tokens: [plain(text)] });
      return tokens;
    }
    this.depth += 1;
    try {
      return super.blockTokens(text, tokens, ...rest);
    } finally {
      this.depth -= 1;
    }
  }

  inlineTokens(text, tokens = []) {
    if (text.length <= MAX_INLINE_LENGTH && this.depth <= MAX_DEPTH) {
      this.depth += 1;
      try {
        return super.inlineTokens(text, tokens);
      } finally {
        this.depth -= 1;
      }
    }
    tokens.push(plain(text));
    return tokens;
  }
}

const plain = (text) => ({ type: "plain", raw: text, text });

/** The top-level tokens of `text`. Where the library fails, which it must not, the text itself is shown. */
function blocks(text) {
  try {
    return shownOf(new BoundedLexer(syntax).lex(text));
  } catch {
    return [{ type: "paragraph", raw: text, tokens: [plain(text)] }];
  }
}

const sources = new WeakMap();
const lexed = new WeakMap();
const ALWAYS = () => true;

/** Makes `container` show `text`, as far as `hasTime()` allows; true when all of it is shown, else a later call goes on. */
export function render(container, text, hasTime = ALWAYS) {
  if (lexed.get(container)?.text !== text) lexed.set(container, { text, parts: blocks(text) });
  const { parts } = lexed.get(container);
  const isDrawn = !parts || reconcile(container, parts, sourceOfBlock, drawBlock, hasTime, extendBlock);
  if (isDrawn) lexed.set(container, { text, parts: null });
  return isDrawn;
}

/** Makes a child of `parent` of each of `parts`; one whose source is the same keeps its node, the last one may grow.
 *
 * The time is looked at after each part, so that every call draws at least one; false when some are left. */
function reconcile(parent, parts, sourceOf, draw, hasTime, extend = null) {
  for (const [index, part] of parts.entries()) {
    let node = parent.childNodes[index];
    const source = sourceOf(part);
    if (node && sources.get(node) === source) continue;
    let isDrawn = node ? extend?.(node, part, hasTime) : undefined;
    if (isDrawn === undefined) {
      const fresh = draw(part);
      if (node) node.replaceWith(fresh);
      else parent.append(fresh);
      node = fresh;
      isDrawn = extend?.(node, part, hasTime) ?? true;
    }
    if (!isDrawn) return false;
    sources.set(node, source);
    if (!hasTime() && index < parts.length - 1) return false;
  }
  while (parent.childNodes.length > parts.length) parent.lastChild.remove();
  return true;
}

const sourceOfBlock = ({ type, raw }) => `${type}\n${raw.trimEnd()}`;

/** Puts what `block` has into `node`: a list by its items, a table by its rows, a quote by its blocks, code by its text.
 *
 * What is there is not drawn again. False when the time was too short, undefined when `node` is another block. */
function extendBlock(node, block, hasTime) {
  if (block.type === "code") return extendCode(node, block.text, languageOf(block), isClosed(block.raw)) || undefined;
  if (block.type === "list" && node.localName === (block.ordered ? "ol" : "ul") && (!block.ordered || node.start === (block.start === "" ? 1 : Number(block.start)))) {
    return reconcile(node, block.items, sourceOfItem, listItem, hasTime);
  }
  if (block.type === "table" && headings.get(node) === headingOf(block)) return reconcile(node.querySelector("tbody"), block.rows, sourceOfRow, tableRow, hasTime);
  if (block.type === "blockquote" && node.localName === "blockquote") return reconcile(node, shownOf(block.tokens), sourceOfBlock, drawBlock, hasTime, extendBlock);
  return undefined;
}

const headings = new WeakMap();
const headingOf = ({ header }) => JSON.stringify(header.map(({ align, text }) => [align, text]));
const sourceOfRow = (row) => JSON.stringify(row.map(({ text }) => text));

/** Whether the last line of a block of code is its closing fence. */
const isClosed = (raw) => ["```", "~~~"].some((fence) => raw.slice(raw.trimEnd().lastIndexOf("\n") + 1).trimStart().startsWith(fence));

const languageOf = ({ lang }) => (lang ?? "").trim().split(/\s/)[0];

const sourceOfItem = ({ raw, loose, task, checked }) => `${loose}${task}${checked}\n${raw.trimEnd()}`;

const shownOf = (tokens) => tokens.filter(({ type }) => type !== "space" && type !== "def");

/** A block; a list, a table and a quote are empty, and `extendBlock` fills them. */
const drawBlock = (token) => (BLOCKS[token.type] ?? BLOCKS.paragraph)(token);

/** A block with all that is in it. */
function drawWhole(token) {
  const node = drawBlock(token);
  extendBlock(node, token, ALWAYS);
  return node;
}

const BLOCKS = {
  // The page has an h1 and its messages have h2: headings of an answer stand below them.
  heading: ({ depth, tokens }) => el(`h${Math.min(6, depth + 2)}`, { class: `h${depth}` }, drawInline(tokens)),
  hr: () => el("hr"),
  code: (token) => codeBlock(token.text, languageOf(token)),
  mathBlock: ({ text }) => mathNode(text, true),
  paragraph: ({ tokens, raw }) => el("p", {}, drawInline(tokens ?? [plain(raw)])),
  text: ({ tokens, raw }) => el("p", {}, drawInline(tokens ?? [plain(raw)])),
  html: ({ raw }) => el("p", {}, LINE_BREAK.test(raw.trim()) ? el("br") : raw.trim()),
  blockquote: () => el("blockquote"),
  list: ({ ordered, start }) => el(ordered ? "ol" : "ul", { start: ordered && start !== 1 && start !== "" ? start : null }),
  table: (token) => {
    const node = el("div", { class: "table", tabindex: "0", role: "group", "aria-label": t("table") },
      el("table", {}, el("thead", {}, el("tr", {}, token.header.map((cell) => tableCell("th", cell)))), el("tbody")));
    headings.set(node, headingOf(token));
    return node;
  },
};

const tableRow = (row) => el("tr", {}, row.map((cell) => tableCell("td", cell)));

const tableCell = (tag, { align, tokens }) => el(tag, { class: align ?? "left" }, drawInline(tokens));

/** A tight item holds bare text, a loose one paragraphs. */
function listItem({ task, checked, loose, tokens }) {
  const inside = tokens.filter(({ type }) => !["space", "def", "checkbox"].includes(type));
  const drawn = inside.map((token) => (token.type === "text" && !loose ? drawInline(token.tokens ?? [plain(token.raw)]) : drawWhole(token)));
  const box = task ? el("input", { type: "checkbox", disabled: true, checked, "aria-label": t(checked ? "task_done" : "task_open") }) : null;
  return el("li", { class: task ? "task" : null }, box, drawn);
}

/** The nodes of inline tokens: elements and strings. */
const drawInline = (tokens) => tokens.map((token) => (INLINES[token.type] ?? INLINES.plain)(token));

const INLINES = {
  text: ({ tokens, text }) => (tokens ? drawInline(tokens) : decodeEntities(text)),
  plain: ({ raw }) => raw,
  escape: ({ text }) => text,
  strong: ({ tokens }) => el("strong", {}, drawInline(tokens)),
  em: ({ tokens }) => el("em", {}, drawInline(tokens)),
  del: ({ tokens }) => el("del", {}, drawInline(tokens)),
  codespan: ({ text }) => el("code", {}, text),
  br: () => el("br"),
  html: ({ raw }) => (LINE_BREAK.test(raw) ? el("br") : raw),
  mathInline: ({ text, display }) => mathNode(text, display),
  link: ({ href, tokens }) => anchor(href, drawInline(tokens)),
  // A picture from elsewhere would tell a stranger that the answer was read, so it becomes a link.
  image: ({ href, text }) => anchor(href, [text || href]),
};

function anchor(address, children) {
  return SAFE_URL.test(address)
    ? el("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, children)
    : el("span", {}, children);
}

/** `text` with the character that each entity stands for. */
const decodeEntities = (text) =>
  text.includes("&") ? text.replace(ENTITY, (whole, decimal, hex, name) => (name ? NAMED[name] ?? whole : characterOf(Number.parseInt(decimal ?? hex, decimal ? 10 : 16)))) : text;

const characterOf = (code) => (code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000) ? String.fromCodePoint(code) : "\ufffd");
