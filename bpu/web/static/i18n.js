// The page's words: English and Chinese, by the browser's language until a person chooses.

import { read, write } from "./store.js";
import { STRINGS } from "./strings.js";

const listeners = new Set();
let current = initialLanguage();

function initialLanguage() {
  const kept = read("language");
  if (kept in STRINGS) return kept;
  const wanted = navigator.languages?.[0] ?? navigator.language ?? "en";
  return wanted.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export const language = () => current;

/** The words of `key`, with `{name}` filled in from `values`. */
export function t(key, values = {}) {
  const text = STRINGS[current][key] ?? STRINGS.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export const hasWord = (key) => key in STRINGS.en;

export function setLanguage(name) {
  current = name in STRINGS ? name : "en";
  write("language", current);
  applyLanguage();
}

/** `listener()` after every change of language, for text that is not in the markup. */
export function onLanguage(listener) {
  listeners.add(listener);
}

/** Puts the words into everything that names them: `data-word`, `data-label`, `data-placeholder`. */
export function translate(root = document) {
  for (const node of root.querySelectorAll("[data-word]")) node.textContent = t(node.dataset.word);
  for (const node of root.querySelectorAll("[data-placeholder]")) node.placeholder = t(node.dataset.placeholder);
  for (const node of root.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", t(node.dataset.label));
    if (node.tagName === "BUTTON") node.title = t(node.dataset.label);
  }
}

export function applyLanguage() {
  document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
  document.title = t("title");
  translate();
  for (const listener of listeners) listener();
}

/** A day as a list shows it: the time of today, else the date. */
export function formatDay(time) {
  const then = new Date(time);
  const isToday = then.toDateString() === new Date().toDateString();
  const form = isToday ? { hour: "2-digit", minute: "2-digit" } : { month: "short", day: "numeric" };
  return new Intl.DateTimeFormat(current === "zh" ? "zh-CN" : "en", form).format(then);
}

/** Bytes as a person says them. */
export const formatBytes = (count) => (count >= 2 ** 20 ? `${(count / 2 ** 20).toFixed(1)} MiB` : `${Math.ceil(count / 1024)} KiB`);

/** Seconds as a person says them: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min. */
export function formatDuration(seconds) {
  if (seconds < 9.95 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
