// Thinking that comes inside the text, between <think> and </think>, as a gateway may be set to send it.
//
// Only the tags around the leading thinking are tags, and a closing tag in quotation marks ends nothing: the same rule
// as in bpu/chat/reasoning.py, which a test compares with this.

const OPEN = "<think>";
const CLOSE = "</think>";
/** What must stand behind a closing tag, by what stands before it, so that the tag is only quoted. */
const QUOTES = { "`": "`", '"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "『": "』", "«": "»" };

/** Takes the pieces of an answer's text; gives [kind, text] with the kind "reasoning" or "content". */
export class ThinkSplitter {
  constructor() {
    this.kind = ""; // "": nothing but blanks so far
    this.held = "";
    this.before = ""; // the character before what is held
    this.started = false; // the first word after the closing tag has come
  }

  /** The thinking has come outside the text: no tag in the text is a tag. */
  stop() {
    if (!this.kind) this.kind = "content";
    this.started = true;
  }

  push(piece) {
    let text = this.held + piece;
    this.held = "";
    if (!this.kind) {
      const begun = text.trimStart();
      if (begun.length < OPEN.length && OPEN.startsWith(begun)) return this.hold(text);
      this.kind = begun.startsWith(OPEN) ? "reasoning" : "content";
      this.started = this.kind === "content";
      if (this.kind === "reasoning") [text, this.before] = [begun.slice(OPEN.length), OPEN.at(-1)];
    }
    return this.kind === "content" ? this.content(text) : this.thinking(text);
  }

  thinking(text) {
    let from = 0;
    for (let at; (at = text.indexOf(CLOSE, from)) >= 0; from = at + CLOSE.length) {
      const after = at + CLOSE.length;
      const closing = QUOTES[at ? text[at - 1] : this.before];
      if (closing && after === text.length) return this.keep(text, at); // the next character decides
      if (closing && text[after] === closing) continue;
      this.kind = "content";
      return [...partOf("reasoning", text.slice(0, at)), ...this.content(text.slice(after))];
    }
    return this.keep(text, text.length - partialTagLength(text.slice(from)));
  }

  /** The text before `at` goes out, the rest waits. */
  keep(text, at) {
    this.held = text.slice(at);
    if (at) this.before = text[at - 1];
    return partOf("reasoning", text.slice(0, at));
  }

  /** The answer, without the line breaks between the closing tag and its first word. */
  content(text) {
    if (!this.started) text = text.trimStart();
    this.started ||= text !== "";
    return partOf("content", text);
  }

  hold(text) {
    this.held = text;
    return [];
  }

  /** What was held back, at the end of the answer: a closing tag with nothing behind it is a tag. */
  end() {
    return this.held === CLOSE ? [] : partOf(this.kind || "content", this.held);
  }
}

const partOf = (kind, text) => (text ? [[kind, text]] : []);

/** How many characters at the end of `text` may begin the closing tag. */
function partialTagLength(text) {
  for (let size = Math.min(CLOSE.length - 1, text.length); size > 0; size -= 1) {
    if (CLOSE.startsWith(text.slice(-size))) return size;
  }
  return 0;
}
