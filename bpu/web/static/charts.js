// Small drawings: a line of figures over time, and a bar that is partly full.

import { el, svg } from "./dom.js";

const WIDTH = 300;
const HEIGHT = 48;
const MARGIN = 4;

/** A line through `values` (numbers); `text` says the same to those who cannot see it. */
export function line(values, text) {
  const points = pointsOf(values);
  const path = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
  const [lastX, lastY] = points.at(-1) ?? [0, 0];
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "line", role: "img", "aria-label": text, preserveAspectRatio: "none" },
    svg("polygon", { points: `${points[0]?.[0] ?? 0},${HEIGHT} ${path} ${lastX},${HEIGHT}`, class: "area" }),
    svg("polyline", { points: path, class: "stroke" }),
    // A line without length and with round ends: a dot that stays round however the drawing is stretched.
    svg("path", { d: `M${lastX.toFixed(1)} ${lastY.toFixed(1)}h0`, class: "tip" }));
}

function pointsOf(values) {
  const highest = Math.max(...values, Number.EPSILON);
  const step = (WIDTH - 2 * MARGIN) / Math.max(1, values.length - 1);
  return values.map((value, index) => [
    values.length === 1 ? WIDTH - MARGIN : MARGIN + index * step,
    HEIGHT - MARGIN - (value / highest) * (HEIGHT - 2 * MARGIN),
  ]);
}

/** A column for each of `values`, the latest at the right. */
export function columns(values, text) {
  const highest = Math.max(...values, Number.EPSILON);
  const step = Math.min(14, (WIDTH - 2 * MARGIN) / values.length);
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "line", role: "img", "aria-label": text, preserveAspectRatio: "none" },
    values.map((value, index) => {
      const height = Math.max(2, (value / highest) * (HEIGHT - 2 * MARGIN));
      const x = WIDTH - MARGIN - (values.length - index) * step;
      return svg("rect", { x: x.toFixed(1), y: (HEIGHT - height).toFixed(1), width: (step * 0.7).toFixed(1), height: height.toFixed(1), class: "column" });
    }));
}

/** A bar that is `share` (0 to 1) full, under its name and figures; `share` null draws no bar. */
export function bar(name, figures, share) {
  const head = el("div", { class: "bar-head" }, el("span", {}, name), el("span", { class: "figures" }, figures));
  if (share === null) return el("div", { class: "gauge" }, head);
  const percent = Math.round(100 * Math.min(1, Math.max(0, share)));
  const fill = el("span", { class: percent > 90 ? "fill high" : "fill" });
  fill.style.width = `${percent}%`;
  const label = { role: "meter", "aria-label": name, "aria-valuetext": figures, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(percent) };
  return el("div", { class: "gauge" }, head, el("div", { class: "meter", ...label }, fill));
}
