// Where formulas stand in Markdown: `$x$`, `\(x\)`, `$$x$$`, `\[x\]` and bare environments, as extensions of `marked`.

const MAX_SOURCE_LENGTH = 6000;
const BLOCK_OPENINGS = [["$$", "$$"], ["\\[", "\\]"]];
const INLINE_OPENINGS = [["\\(", "\\)", false], ["\\[", "\\]", true], ["$$", "$$", true]];
const ENVIRONMENT = /^\\begin\{((?:align|aligned|alignat|gather|gathered|equation|cases|multline|split|matrix|pmatrix|bmatrix|vmatrix)\*?)\}/;

/** `{source, length}` between `open` at the start of `text` and the next `close`, null where there is none near. */
function between(text, open, close) {
  if (!text.startsWith(open)) return null;
  const end = text.slice(0, MAX_SOURCE_LENGTH).indexOf(close, open.length);
  const source = end < 0 ? "" : text.slice(open.length, end);
  return source.trim() ? { source, length: end + close.length } : null;
}

/** The same for an environment without signs around it; the source keeps `\begin` and `\end`. */
function environment(text) {
  const name = ENVIRONMENT.exec(text)?.[1];
  if (!name) return null;
  const close = `\\end{${name}}`;
  const end = text.slice(0, MAX_SOURCE_LENGTH).indexOf(close);
  return end < 0 ? null : { source: text.slice(0, end + close.length), length: end + close.length };
}

/** The text up to the next blank line: what stands behind it cannot interrupt this paragraph. */
function paragraphOf(text) {
  const near = text.slice(0, MAX_SOURCE_LENGTH);
  const end = near.indexOf("\n\n");
  return end < 0 ? near : near.slice(0, end);
}

const block = {
  name: "mathBlock", level: "block",
  start: (text) => /\n {0,3}(?:\$\$|\\\[|\\begin\{)/.exec(paragraphOf(text))?.index,
  tokenizer(text) {
    const margin = /^ {0,3}/.exec(text)[0].length;
    const rest = text.slice(margin);
    const found = BLOCK_OPENINGS.map(([open, close]) => between(rest, open, close)).find(Boolean) ?? environment(rest);
    if (!found) return unfinishedFormula(text, rest);
    const behind = /^[ \t]{0,20}(?:[.,;:。，；：])?[ \t]{0,20}(?:\n|$)/.exec(rest.slice(found.length, found.length + 50));
    if (!behind) return undefined; // More of a sentence follows: it is a formula inside a paragraph.
    return { type: "mathBlock", raw: text.slice(0, margin + found.length + behind[0].length), text: found.source };
  },
};

/** A formula that has begun and whose end has not come: its source up to a blank line, so that no other rule takes it. */
function unfinishedFormula(text, rest) {
  if (!/^(?:\$\$|\\\[) {0,3}(?:\n|$)/.test(rest) && !ENVIRONMENT.test(rest)) return undefined;
  const end = text.indexOf("\n\n");
  const raw = end < 0 ? text : text.slice(0, end + 1);
  return { type: "paragraph", raw, tokens: [{ type: "plain", raw, text: raw }] };
}

const inline = {
  name: "mathInline", level: "inline",
  start: (text) => /\$|\\[([]/.exec(text)?.index,
  tokenizer(text) {
    for (const [open, close, display] of INLINE_OPENINGS) {
      const found = between(text, open, close);
      if (found) return { type: "mathInline", raw: text.slice(0, found.length), text: found.source, display };
    }
    return dollarFormula(text);
  },
};

/** `$x$`, distinguished from amounts of money by what is inside and around. */
function dollarFormula(text) {
  const found = /^\$(?![\s$])((?:[^$\\\n]|\\[^\n]){1,1000})\$(?![\d])/.exec(text);
  if (!found || /\s$/.test(found[1]) || !isFormula(found[1])) return undefined;
  return { type: "mathInline", raw: found[0], text: found[1], display: false };
}

const isFormula = (source) => /[\\^_={}<>]/.test(source) || !/[A-Za-z]{3}|[\u3000-\u9fff]/.test(source);

export const mathExtensions = [block, inline];
