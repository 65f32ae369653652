// Markdown to nodes, block by block: a block that has not changed since the last call keeps its node.
// A growing answer is drawn many times a second, so only its last block may cost anything.

import { el } from "./dom.js";
import { inline } from "./inline.js";
import { math } from "./math.js";
import { codeBlock } from "./code.js";

const DEPTH = 8;
// A line may be as long as an answer, so no expression may try the same characters twice: no two repetitions of
// blanks stand side by side, and what is at the end of a line is cut off by code.
const FENCE = /^ {0,3}(`{3,}|~{3,}(?!~))([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})\s([^]*)$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,8})([-*+]|\d{1,9}[.)])(?: +|$)/;
const CELL_RULE = /^:?-+:?$/;
const MATH_OPEN = /^\s*(\\\[|\$\$)/;

/** Makes `container` show `text`. */
export function render(container, text) {
  const wanted = blocks(text);
  wanted.forEach((block, index) => {
    const node = container.childNodes[index];
    if (node && sources.get(node) === block.source) return;
    const fresh = draw(block, 0);
    sources.set(fresh, block.source);
    if (node) node.replaceWith(fresh);
    else container.append(fresh);
  });
  while (container.childNodes.length > wanted.length) container.lastChild.remove();
}

const sources = new WeakMap();

/** The blocks of `text`: `{kind, source, ...}`, where equal `source` and `kind` mean equal looks. */
export function blocks(text) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const out = [];
  let at = 0;
  while (at < lines.length) {
    if (!lines[at].trim()) {
      at += 1;
      continue;
    }
    const [block, next] = take(lines, at);
    out.push({ ...block, source: `${block.kind}\n${lines.slice(at, next).join("\n")}` });
    at = next;
  }
  return out;
}

function take(lines, at) {
  const line = lines[at];
  const fence = FENCE.exec(line);
  if (fence) return takeCode(lines, at, fence);
  const heading = HEADING.exec(line);
  if (heading) return [{ kind: "heading", level: heading[1].length, text: headingText(heading[2]) }, at + 1];
  if (RULE.test(line)) return [{ kind: "rule" }, at + 1];
  if (MATH_OPEN.test(line)) return takeMath(lines, at);
  if (QUOTE.test(line)) return takeQuote(lines, at);
  if (ITEM.test(line)) return takeList(lines, at);
  if (tableAt(lines, at)) return takeTable(lines, at);
  return takeParagraph(lines, at);
}

const until = (lines, from, stop) => {
  let at = from;
  while (at < lines.length && !stop(lines[at], at)) at += 1;
  return at;
};

/** A heading without the number signs that may close it. */
function headingText(rest) {
  const text = rest.trim();
  let end = text.length;
  while (text[end - 1] === "#") end -= 1;
  return end === 0 || /\s/.test(text[end - 1]) ? text.slice(0, end).trimEnd() : text;
}

function takeCode(lines, at, [, mark, info]) {
  const closes = (line) => line.trim().startsWith(mark) && !line.trim().replaceAll(mark[0], "");
  const end = until(lines, at + 1, closes);
  return [{ kind: "code", language: info.trim().split(/\s/)[0], text: lines.slice(at + 1, end).join("\n") }, Math.min(end + 1, lines.length)];
}

function takeMath(lines, at) {
  const close = MATH_OPEN.exec(lines[at])[1] === "$$" ? "$$" : "\\]";
  const first = lines[at].replace(MATH_OPEN, "");
  if (first.includes(close)) {
    const rest = first.slice(first.indexOf(close) + 2).trim();
    return rest ? takeParagraph(lines, at) : [{ kind: "math", text: first.slice(0, first.indexOf(close)) }, at + 1];
  }
  const end = until(lines, at + 1, (line) => line.includes(close) || !line.trim());
  const body = [first, ...lines.slice(at + 1, end)];
  if (end < lines.length && lines[end].includes(close)) body.push(lines[end].slice(0, lines[end].indexOf(close)));
  return [{ kind: "math", text: body.join("\n") }, Math.min(end + 1, lines.length)];
}

function takeQuote(lines, at) {
  const end = until(lines, at, (line) => !QUOTE.test(line));
  return [{ kind: "quote", text: lines.slice(at, end).map((line) => line.replace(QUOTE, "")).join("\n") }, end];
}

function takeList(lines, at) {
  const ordered = /\d/.test(ITEM.exec(lines[at])[2]);
  const margin = ITEM.exec(lines[at])[1].length;
  const items = [];
  let end = at;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end]);
    if (!item || item[1].length > margin + 1 || item[1].length < margin || /\d/.test(item[2]) !== ordered || RULE.test(lines[end])) break;
    const next = itemEnd(lines, end, margin);
    const inside = [lines[end].slice(item[0].length), ...lines.slice(end + 1, next).map((line) => outdent(line, item[0].length))];
    items.push(inside.join("\n").trimEnd());
    end = next;
    while (end < lines.length && !lines[end].trim()) end += 1;
  }
  return [{ kind: "list", ordered, start: ordered ? Number.parseInt(ITEM.exec(lines[at])[2], 10) : 1, items }, end];
}

/** Where an item ends: at the next one of its own margin, or at a line after a blank one that is not indented. */
function itemEnd(lines, at, margin) {
  return until(lines, at + 1, (line, index) => {
    if (!line.trim()) return false;
    const indent = line.length - line.trimStart().length;
    if (indent > margin + 1) return false;
    return ITEM.test(line) || !lines[index - 1].trim() || FENCE.test(line) || HEADING.test(line) || RULE.test(line);
  });
}

const outdent = (line, width) => line.slice(Math.min(width, line.length - line.trimStart().length));

const tableAt = (lines, at) => lines[at].includes("|") && isRowRule(lines[at + 1] ?? "");

const isRowRule = (line) => line.includes("|") && cells(line).every((cell) => CELL_RULE.test(cell));

function takeTable(lines, at) {
  const end = until(lines, at + 2, (line) => !line.includes("|") || !line.trim());
  const sides = cells(lines[at + 1]).map((cell) => (/^:.*:$/.test(cell) ? "center" : cell.endsWith(":") ? "right" : "left"));
  return [{ kind: "table", head: cells(lines[at]), sides, rows: lines.slice(at + 2, end).map(cells) }, end];
}

function cells(line) {
  const bare = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return bare.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function takeParagraph(lines, at) {
  const starts = (line, index) => tableAt(lines, index) || !line.trim() || FENCE.test(line) || HEADING.test(line) || QUOTE.test(line) || RULE.test(line) || interrupts(line);
  const end = until(lines, at + 1, starts);
  return [{ kind: "paragraph", text: lines.slice(at, end).map((line) => line.trim()).join("\n") }, end];
}

/** A list may follow a paragraph without a blank line, but a line that only begins with a number is text. */
const interrupts = (line) => /^ {0,3}([-*+]|1[.)]) +\S/.test(line) || MATH_OPEN.test(line);

function draw(block, depth) {
  return depth > DEPTH ? el("p", {}, block.source ?? block.text ?? "") : DRAW[block.kind](block, depth);
}

const nested = (text, depth) => (depth >= DEPTH ? [text] : blocks(text).map((block) => draw(block, depth + 1)));

const DRAW = {
  // A page has one h1 and its panels h2: headings of an answer stand below them.
  heading: ({ level, text }) => el(`h${Math.min(6, level + 2)}`, { class: `h${level}` }, inline(text)),
  rule: () => el("hr"),
  code: ({ language, text }) => codeBlock(text, language),
  math: ({ text }) => math(text, "div"),
  paragraph: ({ text }) => el("p", {}, inline(text)),
  quote: ({ text }, depth) => el("blockquote", {}, nested(text, depth)),
  list: ({ ordered, start, items }, depth) =>
    el(ordered ? "ol" : "ul", { start: ordered && start !== 1 ? start : null }, items.map((item) => el("li", {}, listItem(item, depth)))),
  table: ({ head, sides, rows }) =>
    el("div", { class: "table", tabindex: "0", role: "group" },
      el("table", {},
        el("thead", {}, el("tr", {}, head.map((cell, index) => el("th", { class: sides[index] }, inline(cell))))),
        el("tbody", {}, rows.map((row) => el("tr", {}, head.map((_, index) => el("td", { class: sides[index] }, inline(row[index] ?? "")))))))),
};

/** One line stays bare text; more than that keeps its paragraphs. */
function listItem(text, depth) {
  const [first, ...rest] = depth >= DEPTH ? [{ kind: "paragraph", text }] : blocks(text);
  if (first?.kind !== "paragraph") return nested(text, depth);
  return [...inline(first.text), ...rest.map((block) => draw(block, depth + 1))];
}
