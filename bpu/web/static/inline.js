// Markdown inside a line: text to nodes. Only http, https and mailto become links; images become links too,
// because a picture from elsewhere would tell a stranger that the answer was read.

import { el } from "./dom.js";
import { math } from "./math.js";

const DEPTH = 8;
const EMPHASIS = [["***", "strong"], ["**", "strong"], ["__", "strong"], ["~~", "del"], ["*", "em"], ["_", "em"]];
const SAFE = /^(https?:\/\/|mailto:)[^\s<>"]+$/i;
const LINK = /!?\[([^\]\n]{0,500})\]\(\s{0,3}<?([^\s<>()]{1,2000}(?:\([^\s<>()]{0,500}\)[^\s<>()]{0,500})?)>?(?:\s{1,3}"[^"\n]{0,500}")?\s{0,3}\)/y;
const BARE = /https?:\/\/[^\s<>"'`\u3000-\u303f\uff00-\uffef]{1,2000}/y;
const ANGLE = /<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/y;
const BREAK = /<br\s{0,3}\/?>/iy;
const ESCAPE = /\\([!-/:-@[-`{-~])/y;
const MATH = /\\\(([^\n]{1,2000}?)\\\)|\$\$([^$\n]{1,2000})\$\$|\$(?![\s$])([^$\n]{1,500}?)(?<!\s)\$(?!\d)/y;

/** The nodes of `text`, an array of elements and strings. */
export function inline(text, depth = 0) {
  return depth > DEPTH ? [text] : new Scanner(text, depth).nodes();
}

class Scanner {
  constructor(text, depth) {
    this.text = text;
    this.depth = depth;
    this.at = 0;
    this.plain = "";
    this.out = [];
    this.hopeless = new Set(); // markers that have no closing one further on: looked for once, not again and again
  }

  nodes() {
    while (this.at < this.text.length) {
      if (!this.special()) this.plain += this.text[this.at++];
    }
    this.flush();
    return this.out;
  }

  special() {
    switch (this.text[this.at]) {
      case "`": return this.code();
      case "\\": return this.maths() || this.escaped();
      case "$": return this.maths();
      case "!":
      case "[": return this.link();
      case "<": return this.angle();
      case "h": return this.bare();
      case "\n": return this.push(1, el("br"));
      case "*":
      case "_":
      case "~": return this.emphasis();
      default: return false;
    }
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    return pattern.exec(this.text);
  }

  push(length, ...nodes) {
    this.flush();
    this.out.push(...nodes);
    this.at += length;
    return true;
  }

  flush() {
    if (this.plain) this.out.push(this.plain);
    this.plain = "";
  }

  code() {
    const ticks = /`+/y;
    const fence = this.match(ticks)[0];
    const from = this.at + fence.length;
    const to = this.find(fence, from, (end) => this.text[end] !== "`" && this.text[end - fence.length - 1] !== "`");
    if (to < 0) {
      this.plain += fence;
      this.at = from;
      return true;
    }
    const inside = unpadded(this.text.slice(from, to).replace(/\n/g, " "));
    return this.push(to + fence.length - this.at, el("code", {}, inside));
  }

  /** Where `marker` closes, at or after `from`; `fits(end)` judges its surroundings. -1 is remembered. */
  find(marker, from, fits) {
    if (this.hopeless.has(marker)) return -1;
    for (let at = this.text.indexOf(marker, from); at >= 0; at = this.text.indexOf(marker, at + 1)) {
      if (at > from && fits(at + marker.length)) return at;
    }
    this.hopeless.add(marker);
    return -1;
  }

  escaped() {
    const found = this.match(ESCAPE);
    if (!found) return false;
    this.plain += found[1];
    this.at += 2;
    return true;
  }

  maths() {
    const found = this.match(MATH);
    if (!found) return false;
    const source = found[1] ?? found[2] ?? found[3];
    if (found[3] !== undefined && !/[\\^_=+{}<>]|^[A-Za-z]$/.test(source)) return false;
    return this.push(found[0].length, math(source));
  }

  link() {
    const found = this.match(LINK);
    if (!found || !SAFE.test(found[2])) return false;
    return this.push(found[0].length, anchor(found[2], inline(found[1] || found[2], this.depth + 1)));
  }

  angle() {
    const line = this.match(BREAK);
    if (line) return this.push(line[0].length, el("br"));
    const found = this.match(ANGLE);
    return found ? this.push(found[0].length, anchor(found[1], [found[1]])) : false;
  }

  bare() {
    if (/\w/.test(this.text[this.at - 1] ?? "")) return false;
    const found = this.match(BARE);
    if (!found) return false;
    const address = withoutEnd(found[0]);
    return this.push(address.length, anchor(address, [address]));
  }

  emphasis() {
    const [marker, tag] = EMPHASIS.find(([mark]) => this.text.startsWith(mark, this.at)) ?? [];
    if (!marker) return false;
    const from = this.at + marker.length;
    const word = marker.includes("_");
    const opens = /\S/.test(this.text[from] ?? " ") && !(word && /\w/.test(this.text[this.at - 1] ?? ""));
    const closes = (end) =>
      /\S/.test(this.text[end - marker.length - 1]) && this.text[end] !== marker[0] && !(word && /\w/.test(this.text[end] ?? ""));
    const to = opens ? this.find(marker, from, closes) : -1;
    if (to < 0) {
      this.plain += marker;
      this.at = from;
      return true;
    }
    const inside = inline(this.text.slice(from, to), this.depth + 1);
    return this.push(to + marker.length - this.at, el(tag, {}, marker === "***" ? el("em", {}, inside) : inside));
  }
}

/** Code without the one blank on both sides that sets it off from its backticks. */
const unpadded = (code) => (code.startsWith(" ") && code.endsWith(" ") && code.trim() ? code.slice(1, -1) : code);

/** An address without the marks at its end, which belong to the sentence around it. */
function withoutEnd(address) {
  let end = address.length;
  while (".,;:!?*_~)]}".includes(address[end - 1] ?? "x")) end -= 1;
  return address.slice(0, end);
}

function anchor(address, children) {
  return SAFE.test(address)
    ? el("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, children)
    : el("span", {}, children);
}
