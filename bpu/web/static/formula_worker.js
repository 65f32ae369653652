// Runs the library `temml` in a worker: a formula may take it longer than a task of the page may.
//
// It first says that it has loaded. Then it answers each {source, display} of a list with a plain tree of what temml makes of it,
// null where temml cannot read it or makes too much: {name, attributes, style, children}, a text is a string.

import temml from "./vendor/temml.js";

const MAX_ELEMENTS = 10000; // A formula of 6,000 characters has fewer, unless macros of its own multiply them.
const MAX_DEPTH = 100; // Browsers lay nested elements out by recursion.

addEventListener("message", ({ data }) => {
  for (const formula of data) postMessage(treeOf(formula));
});
postMessage("loaded");

function treeOf({ source, display }) {
  const options = { displayMode: display, throwOnError: true, trust: false, wrap: display ? "none" : "tex", maxExpand: 200, maxSize: [20, 400] };
  try {
    const [tree] = plain(temml.__renderToMathMLTree(source, options), { left: MAX_ELEMENTS }, 0);
    return tree;
  } catch {
    return null;
  }
}

/** The plain trees of `node`: one, or those of a fragment's children. An anchor or a picture is an error. */
function plain(node, budget, depth) {
  if (typeof node.text === "string") return [node.text];
  const { type, attributes, style, children } = node;
  budget.left -= 1;
  if (budget.left < 0 || depth > MAX_DEPTH || "href" in node || !children) throw new RangeError();
  const inside = children.flatMap((child) => plain(child, budget, depth + 1));
  if (!attributes) return inside; // A fragment.
  const { style: declarations = "", ...others } = attributes;
  const className = node.classes.filter(Boolean).join(" ");
  return [{
    name: type ?? "span",
    attributes: className ? { ...others, class: className } : others,
    style: { ...declared(declarations), ...style },
    children: inside,
  }];
}

/** The declarations of an attribute `style`, which temml writes at times: the page sets properties, its policy allows no such attribute. */
const declared = (text) => Object.fromEntries(text.split(";").filter(Boolean).map((part) => part.split(":").map((side) => side.trim())));
