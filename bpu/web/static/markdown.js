// Draws Markdown as DOM nodes. The library `marked` makes tokens of the text; no HTML is ever parsed.
// A growing answer is drawn many times a second, so what has not changed since the last call keeps its node: blocks, items
// and rows in them, words and formulas in a paragraph.

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
  if (lexed.get(container)?.text !== text) lexed.set(container, { text, parts: blocks(text).map(blockPart) });
  const { parts } = lexed.get(container);
  const isDrawn = !parts || reconcile(container, parts, hasTime);
  if (isDrawn) lexed.set(container, { text, parts: null });
  return isDrawn;
}

/** Makes a child of `parent` of each of `parts`, {source, draw, extend}.
 *
 * A child whose source is the same is left in peace. `extend(node, hasTime)` puts what a part has into its node, where what
 * is there already stays; false when the time was too short, undefined when `node` is of another kind. The time is looked
 * at after each part, so that every call draws at least one; false when some are left. */
function reconcile(parent, parts, hasTime) {
  for (const [index, { source, draw, extend }] of parts.entries()) {
    let node = parent.childNodes[index];
    if (node && sources.get(node) === source) continue;
    sources.delete(node);
    let isDrawn = node && extend?.(node, hasTime);
    if (isDrawn === undefined) {
      const fresh = draw();
      if (node) node.replaceWith(fresh);
      else parent.append(fresh);
      node = fresh;
      isDrawn = extend?.(node, hasTime) ?? true;
    }
    if (!isDrawn) return false;
    sources.set(node, source);
    if (!hasTime() && index < parts.length - 1) return false;
  }
  while (parent.childNodes.length > parts.length) parent.lastChild.remove();
  return true;
}

const shownOf = (tokens) => tokens.filter(({ type }) => type !== "space" && type !== "def");

const kindOf = ({ type }) => (Object.hasOwn(BLOCKS, type) ? type : "paragraph");

const blockPart = (token) => ({
  source: `${token.type}\n${token.raw.trimEnd()}`,
  draw: () => BLOCKS[kindOf(token)](token),
  extend: (node, hasTime) => FILLS[kindOf(token)]?.(node, token, hasTime),
});

/** A block that `FILLS` has is empty, or as full as a later call wants it at least. */
const BLOCKS = {
  // The page has an h1 and its messages have h2: headings of an answer stand below them.
  heading: ({ depth }) => el(headingTag(depth), { class: `h${depth}` }),
  hr: () => el("hr"),
  code: (token) => codeBlock(token.text, languageOf(token)),
  mathBlock: ({ text }) => mathNode(text, true),
  paragraph: () => el("p"),
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

/** Each puts a block into a node of its kind: text by its words and formulas, a list by its items, a table by its rows. */
const FILLS = {
  heading: (node, token, hasTime) => (node.localName === headingTag(token.depth) && node.className === `h${token.depth}` ? reconcile(node, inlineParts(token), hasTime) : undefined),
  code: (node, token) => extendCode(node, token.text, languageOf(token), isClosed(token.raw)) || undefined,
  paragraph: (node, token, hasTime) => (node.localName === "p" ? reconcile(node, inlineParts(token), hasTime) : undefined),
  blockquote: (node, token, hasTime) => (node.localName === "blockquote" ? reconcile(node, shownOf(token.tokens).map(blockPart), hasTime) : undefined),
  list: (node, token, hasTime) => (isSameList(node, token) ? reconcile(node, token.items.map(itemPart), hasTime) : undefined),
  table: (node, token, hasTime) => (headings.get(node) === headingOf(token) ? reconcile(node.querySelector("tbody"), token.rows.map(rowPart), hasTime) : undefined),
};

const headingTag = (depth) => `h${Math.min(6, depth + 2)}`;
const isSameList = (node, { ordered, start }) => node.localName === (ordered ? "ol" : "ul") && (!ordered || node.start === (start === "" ? 1 : Number(start)));
const headings = new WeakMap();
const headingOf = ({ header }) => JSON.stringify(header.map(({ align, text }) => [align, text]));
const languageOf = ({ lang }) => (lang ?? "").trim().split(/\s/)[0];

/** Whether the last line of a block of code is its closing fence. */
const isClosed = (raw) => ["```", "~~~"].some((fence) => raw.slice(raw.trimEnd().lastIndexOf("\n") + 1).trimStart().startsWith(fence));

const rowPart = (row) => ({
  source: JSON.stringify(row.map(({ text }) => text)),
  draw: () => el("tr", {}, row.map((cell) => tableCell("td", cell))),
});

const tableCell = (tag, { align, tokens }) => el(tag, { class: align ?? "left" }, drawInline(tokens));

const itemPart = (item) => ({
  source: `${item.loose}${item.task}${item.checked}\n${item.raw.trimEnd()}`,
  draw: () => el("li", { class: item.task ? "task" : null }),
  extend: (node, hasTime) => (node.classList.contains("task") === item.task ? reconcile(node, partsOfItem(item), hasTime) : undefined),
});

/** A tight item holds bare text, a loose one paragraphs. */
function partsOfItem({ task, checked, loose, tokens }) {
  const inside = tokens.filter(({ type }) => !["space", "def", "checkbox"].includes(type));
  const parts = inside.flatMap((token) => (token.type === "text" && !loose ? inlineParts(token) : [blockPart(token)]));
  return task ? [checkboxPart(checked), ...parts] : parts;
}

const checkboxPart = (checked) => ({
  source: `checkbox\n${checked}`,
  draw: () => el("input", { type: "checkbox", disabled: true, checked, "aria-label": t(checked ? "task_done" : "task_open") }),
});

/** The parts of a block of text: each inline token is one node. */
function inlineParts({ tokens, raw }) {
  return (tokens ?? [plain(raw)]).flatMap((token) => (token.type === "text" && token.tokens ? inlineParts(token) : [{
    source: `${token.type}\n${token.raw}`,
    draw: () => asNode(drawInline([token])[0]),
  }]));
}

const asNode = (drawn) => (typeof drawn === "string" ? document.createTextNode(drawn) : drawn);

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
