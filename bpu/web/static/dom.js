// Building nodes. Text is always text: nothing here, or anywhere in the page, parses HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element; attributes that are functions are listeners, `true` is an empty attribute, `null` and `false` none. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  // One by one, because a call takes a bounded number of arguments.
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined) node.append(child);
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Text goes in only when it differs, so that screen readers and selections are not disturbed. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Makes `nodes` the children of `parent`; those in their place already are not touched. */
export function setChildren(parent, nodes) {
  nodes.forEach((node, index) => parent.childNodes[index] !== node && parent.insertBefore(node, parent.childNodes[index] ?? null));
  while (parent.childNodes.length > nodes.length) parent.lastChild.remove();
}

const STROKES = {
  menu: ["M4 7h16M4 12h16M4 17h10"],
  pen: ["M4 20l1-4L16.5 4.5a2.1 2.1 0 0 1 3 3L8 19z", "M14.5 6.5l3 3"],
  moon: ["M20 14.5A8 8 0 1 1 9.5 4a6.5 6.5 0 0 0 10.5 10.5z"],
  sun: ["M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8z", "M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5"],
  auto: ["M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16z", "M12 4v16M12 8h5.5M12 12h8M12 16h5.5"],
  chart: ["M4 20h16", "M6.5 16v-5M12 16V5M17.5 16V9"],
  link: ["M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1.2 1.2", "M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1.2-1.2"],
  sliders: ["M4 8h9M19 8h1M4 16h1M11 16h9", "M16 5.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM8 13.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z"],
  chip: ["M7 7h10v10H7z", "M10 10h4v4h-4z", "M9.5 3.5V7M14.5 3.5V7M9.5 17v3.5M14.5 17v3.5M3.5 9.5H7M3.5 14.5H7M17 9.5h3.5M17 14.5h3.5"],
  down: ["M12 5v14M6 13l6 6 6-6"],
  up: ["M12 19V5M6 11l6-6 6 6"],
  close: ["M6 6l12 12M18 6L6 18"],
  bulb: ["M9 17a6 6 0 1 1 6 0v1.5H9z", "M10 21.5h4"],
  stop: ["M7.5 7.5h9v9h-9z"],
  copy: ["M9 9h10v11H9z", "M15 9V4H5v11h4"],
  again: ["M19 12a7 7 0 1 1-2-5l2 2", "M19 4v5h-5"],
  bin: ["M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5"],
  save: ["M12 4v11M7 10.5l5 5 5-5", "M5 20h14"],
  left: ["M14 6l-6 6 6 6"],
  right: ["M10 6l6 6-6 6"],
  pin: ["M9 4h6l-1 6 3 3H7l3-3z", "M12 13v7"],
  search: ["M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13z", "M15.5 15.5L20 20"],
  open: ["M12 20V9M7 13.5l5-5 5 5", "M5 4h14"],
  help: ["M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4", "M12 17.5v.5", "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z"],
  next: ["M5 6v6a3 3 0 0 0 3 3h10", "M14 11l4 4-4 4"],
  wrap: ["M4 6h16M4 12h12a3 3 0 0 1 0 6h-3", "M15 15.5L12.5 18l2.5 2.5", "M4 18h4"],
  clip: ["M8 12.5l6-6a3 3 0 0 1 4.3 4.3l-7.6 7.6a5 5 0 0 1-7.1-7.1L11 4"],
  camera: ["M4 8h3.5L9 5.5h6L16.5 8H20v11H4z", "M12 10a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 0 1 0-6.4z"],
  check: ["M5 12.5l4.5 4.5L19 7.5"],
};

export function icon(name) {
  const paths = (STROKES[name] ?? []).map((d) => svg("path", { d }));
  return svg("svg", { viewBox: "0 0 24 24", class: "glyph", "aria-hidden": "true", focusable: "false" }, paths);
}

export function setIcon(node, name) {
  node.querySelector(":scope > .glyph")?.remove();
  node.prepend(icon(name));
}

/** Puts the drawings into the page's own markup. */
export function drawIcons(root = document) {
  for (const node of root.querySelectorAll("[data-icon]")) setIcon(node, node.dataset.icon);
}
