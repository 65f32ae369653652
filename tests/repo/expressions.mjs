// Measures how the cost of the page's expressions, and of what draws an answer, grows with a text.
//
// Reads {expressions: {name: [source, flags, [[before, pump, behind], ...]]}} from standard input; writes a JSON line
// for each before it is tried, and one for each whose cost grows faster than the text. The first argument is the
// folder of the page's scripts.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const LENGTH = 100000;
const TRIED_IN_FULL = 20;
const MOST_GROWTH = 9;
const WORTH_A_LOOK_S = 0.05;

const node = () => ({ append() {}, setAttribute() {}, addEventListener() {}, remove() {}, replaceWith() {}, querySelector: () => node(), textContent: "", style: {}, dataset: {}, childNodes: [], childElementCount: 0, classList: { add() {} } });
const log = node();
globalThis.document = { createElement: node, createElementNS: node, getElementById: () => log, querySelector: () => log, addEventListener() {}, visibilityState: "visible" };
Object.defineProperty(globalThis, "navigator", { value: { language: "en", languages: ["en"] }, configurable: true });

const folder = process.argv[2];
const load = (name) => import(pathToFileURL(`${folder}/${name}.js`).href);

const text = ([before, pump, behind], length) => before + pump.repeat(Math.floor(length / Math.max(1, pump.length))) + behind;

function seconds(run, input) {
  const began = process.cpuUsage();
  run(input);
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1e6;
}

const grows = (before, now) => now > WORTH_A_LOOK_S && now > MOST_GROWTH * before;

// Other work of the machine, or of the engine's memory, does not come fifteen times in a row.
function growsAlways(run, attack, length) {
  const [shorter, longer] = [text(attack, length / 4), text(attack, length)];
  return Array.from({ length: 15 }).every(() => grows(seconds(run, shorter), seconds(run, longer)));
}

// Every text at a fourth of the length, the dearest at their full length.
function slowest(run, attacks) {
  const costs = [];
  for (const attack of attacks) {
    const [before, now] = [seconds(run, text(attack, LENGTH / 16)), seconds(run, text(attack, LENGTH / 4))];
    if (grows(before, now) && growsAlways(run, attack, LENGTH / 4)) return attack;
    costs.push([now, attack]);
  }
  const dearest = costs.sort(([one], [other]) => other - one).slice(0, TRIED_IN_FULL);
  const found = dearest.find(([before, attack]) => grows(before, seconds(run, text(attack, LENGTH))) && growsAlways(run, attack, LENGTH));
  return found?.[1];
}

function attempt(name, run, attacks) {
  console.log(JSON.stringify({ tried: name }));
  const slow = slowest(run, attacks);
  if (slow) console.log(JSON.stringify({ slow: name, text: slow }));
}

const { expressions } = JSON.parse(readFileSync(0, "utf8"));
for (const [name, [source, flags, attacks]] of Object.entries(expressions)) {
  // A sticky expression is tried by the page at every place: so does a global one.
  const expression = new RegExp(source, `${flags.replace(/[gy]/g, "")}g`);
  attempt(name, (input) => input.replace(expression, ""), attacks);
}

const { render } = await load("markdown");
const { announcePiece } = await load("announce");
const { ThinkSplitter } = await load("reasoning_view");
const PIECES = [
  "#", "# ", " ", "\t", "\n", "\n\n", "-", "- ", "* ", "*", "**", "***", "*a ", "_", "_a", "~~", "`", "``", "``` ", "|", "|-", "a|b\n-|-\n", ">", "> ", "$",
  "$$", "$a", "\\(", "\\[", "\\", "[", "[a](", "](", "![", "<", "<br", "<https://", "https://a.", "http://.", "1. ", "\\frac{", "\\frac{a}{b}", "^{", "_{", "{",
  "}", "\\sqrt", "a.", "a", "。", "<think>", "</think>", "</thin", "&", "\r",
];
const attacks = [];
for (const pump of PIECES) for (const before of ["", "# ", "```", "`", "|", "a\n"]) for (const behind of ["", "x`"]) attacks.push([before, pump, behind]);
const pairs = PIECES.flatMap((one, at) => PIECES.slice(at + 1).map((other) => ["", one + other, "x"]));

const container = { childNodes: [], append() {}, lastChild: { remove() {} } };
attempt("markdown.js: render", (input) => render(container, input), [...attacks, ...pairs]);
attempt("announce.js: announcePiece", (input) => { for (let at = 0; at < input.length; at += 8) announcePiece(input.slice(at, at + 8)); announcePiece("\n"); }, attacks);
attempt("reasoning_view.js: ThinkSplitter", (input) => new ThinkSplitter().push(input), attacks);
process.exit(0); // Formulas wait for a library that nothing here needs.
