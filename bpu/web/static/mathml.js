// Makes nodes of a formula's tree, {name, attributes, style, children}: MathML and plain spans, and of them what a formula needs.

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
