// Thinking that comes inside the text, between <think> and </think>, as a gateway may be set to send it.

const OPEN = "<think>";
const CLOSE = "</think>";

/** Takes the pieces of an answer's text; gives [kind, text] with the kind "reasoning" or "content". */
export class ThinkSplitter {
  constructor() {
    this.kind = ""; // "": nothing but blanks so far
    this.held = "";
  }

  push(piece) {
    let text = this.held + piece;
    this.held = "";
    if (!this.kind) {
      const begun = text.trimStart();
      if (begun.length < OPEN.length && OPEN.startsWith(begun)) return this.hold(text);
      this.kind = begun.startsWith(OPEN) ? "reasoning" : "content";
      if (this.kind === "reasoning") text = begun.slice(OPEN.length);
    }
    return this.kind === "content" ? given("content", text) : this.thinking(text);
  }

  thinking(text) {
    const end = text.indexOf(CLOSE);
    if (end >= 0) {
      this.kind = "content";
      return [...given("reasoning", text.slice(0, end)), ...given("content", text.slice(end + CLOSE.length).trimStart())];
    }
    const kept = tail(text);
    this.held = text.slice(text.length - kept);
    return given("reasoning", text.slice(0, text.length - kept));
  }

  hold(text) {
    this.held = text;
    return [];
  }

  /** What was held back, at the end of the answer. */
  end() {
    return given(this.kind || "content", this.held);
  }
}

const given = (kind, text) => (text ? [[kind, text]] : []);

/** How many characters at the end of `text` may begin the closing tag. */
function tail(text) {
  for (let size = Math.min(CLOSE.length - 1, text.length); size > 0; size -= 1) {
    if (CLOSE.startsWith(text.slice(-size))) return size;
  }
  return 0;
}
