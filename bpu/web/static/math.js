// Formulas made readable with plain characters: no typesetting, but no backslashes to stumble over either.

import { el } from "./dom.js";

const SIGNS = {
  times: "×", cdot: "·", div: "÷", pm: "±", mp: "∓", leq: "≤", le: "≤", geq: "≥", ge: "≥", neq: "≠", ne: "≠", approx: "≈",
  equiv: "≡", sim: "∼", infty: "∞", to: "→", rightarrow: "→", Rightarrow: "⇒", implies: "⇒", iff: "⇔", leftarrow: "←",
  in: "∈", notin: "∉", subset: "⊂", cup: "∪", cap: "∩", forall: "∀", exists: "∃", partial: "∂", nabla: "∇", int: "∫",
  sum: "∑", prod: "∏", alpha: "α", beta: "β", gamma: "γ", delta: "δ", Delta: "Δ", epsilon: "ε", theta: "θ", lambda: "λ",
  mu: "μ", pi: "π", rho: "ρ", sigma: "σ", Sigma: "Σ", tau: "τ", phi: "φ", omega: "ω", Omega: "Ω", circ: "°", degree: "°",
  ldots: "…", dots: "…", cdots: "⋯", quad: "  ", qquad: "    ", propto: "∝", ll: "≪", gg: "≫", mid: "|", neg: "¬", wedge: "∧", vee: "∨", emptyset: "∅", star: "⋆", therefore: "∴", because: "∵", angle: "∠", perp: "⊥",
  sin: "sin", cos: "cos", tan: "tan", log: "log", ln: "ln", lim: "lim", max: "max", min: "min", left: "", right: "",
};
const RAISED = { 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹", "+": "⁺", "-": "⁻", n: "ⁿ" };
const LOWERED = { 0: "₀", 1: "₁", 2: "₂", 3: "₃", 4: "₄", 5: "₅", 6: "₆", 7: "₇", 8: "₈", 9: "₉", "+": "₊", "-": "₋", n: "ₙ" };
const GROUP = "\\{([^{}]{0,300})\\}";

export function math(source, tag = "span") {
  return el(tag, { class: "math" }, readable(source.trim()));
}

/** LaTeX as one would say it in plain text. What is not known stays as it was written. */
export function readable(source) {
  let text = source.replace(/\\([A-Za-z]+)/g, (whole, name) => (Object.hasOwn(SIGNS, name) ? SIGNS[name] : whole));
  for (let depth = 0; depth < 6; depth += 1) {
    const before = text;
    text = text
      .replace(new RegExp(`\\\\[dt]?frac\\s{0,3}${GROUP}\\s{0,3}${GROUP}`, "g"), (_, top, under) => `${part(top)}/${part(under)}`)
      .replace(new RegExp(`\\\\sqrt\\s{0,3}${GROUP}`, "g"), (_, inside) => `√${part(inside)}`)
      .replace(new RegExp(`\\\\(?:text|mathrm|mathbf|mathit|operatorname|boxed|overline)\\s{0,3}${GROUP}`, "g"), "$1")
      .replace(new RegExp(`\\^(?:${GROUP}|(\\w))`, "g"), (_, group, one) => shifted(group ?? one, RAISED, "^"))
      .replace(new RegExp(`_(?:${GROUP}|(\\w))`, "g"), (_, group, one) => shifted(group ?? one, LOWERED, "_"));
    if (text === before) break;
  }
  return text
    .replace(/\\[,;:! ]/g, " ")
    .replace(/\\([{}%$&#_])/g, "$1");
}

const part = (text) => (/^[\p{L}\p{N}.√⁺⁻₊₋]+$/u.test(text) ? text : `(${text})`);

function shifted(text, table, mark) {
  const letters = [...text];
  if (letters.length && letters.every((letter) => Object.hasOwn(table, letter))) return letters.map((letter) => table[letter]).join("");
  return `${mark === "^" ? "\u02c6" : "\uff3f"}${part(text)}`;
}
