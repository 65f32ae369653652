// The last requests of all clients as a table with a filter and a CSV file: figures, and words only where they are kept.

import { ApiError, callJson } from "./api.js";
import { byId, el, setText } from "./dom.js";
import { engineStatus, onEngine } from "./engine.js";
import { saveFile } from "./files.js";
import { formatDuration, onLanguage, t } from "./i18n.js";

const COLUMNS = ["time", "client", "model", "wait_s", "first_s", "rate", "prompt", "cached", "tokens", "end"];
const HEADING_KEYS = { time: "activity_time", client: "activity_client", model: "activity_model", wait_s: "activity_wait", first_s: "activity_first", rate: "activity_rate", prompt: "activity_prompt", cached: "activity_cached", tokens: "activity_tokens", end: "activity_end" };
const REFRESH_MS = 5000; // The workers write what they know as often.
const FORMULA = /^[=+\-@\t\r]/;

export class ActivityTable {
  constructor() {
    this.rows = [];
    this.facts = { enabled: true, bodies: false };
    this.filter = "";
    setInterval(() => this.body?.isConnected && this.body.checkVisibility() && !document.hidden && this.refresh(), REFRESH_MS);
  }

  /** The card's content; it asks for the latest rows each time it is built. */
  build() {
    this.body = el("tbody");
    this.hint = el("p", { class: "hint" });
    this.head = el("tr");
    const filter = el("input", { type: "search", "aria-label": t("activity_filter"), placeholder: t("activity_filter") });
    filter.value = this.filter;
    filter.addEventListener("input", () => {
      this.filter = filter.value;
      this.draw();
    });
    this.refresh();
    return [
      el("div", { class: "activity-tools" }, filter,
        el("button", { type: "button", class: "quiet", click: () => this.refresh() }, t("activity_refresh")),
        el("button", { type: "button", class: "quiet", click: () => saveFile("activity.csv", csv(this.filteredRows()), "text/csv") }, t("activity_csv"))),
      this.hint,
      el("div", { class: "activity-scroll", tabindex: "0", role: "group", "aria-label": t("activity") },
        el("table", {}, el("thead", {}, this.head), this.body)),
    ];
  }

  async refresh() {
    try {
      const { data, ...facts } = await callJson("/v1/activity?limit=500");
      Object.assign(this, { rows: data, facts });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    this.draw();
  }

  filteredRows() {
    const wanted = this.filter.trim().toLowerCase();
    return this.rows.filter((row) => !wanted || [...COLUMNS.map((name) => cellText(row, name)), row.question ?? "", row.answer ?? ""].some((cell) => cell.toLowerCase().includes(wanted)));
  }

  draw() {
    const shown = this.filteredRows();
    const signature = JSON.stringify([shown, document.documentElement.lang]);
    if (this.body.dataset.drawn === signature) return; // Open words stay open.
    this.body.dataset.drawn = signature;
    setText(this.hint, !this.facts.enabled ? t("activity_off") : shown.length ? "" : t("activity_empty"));
    this.hint.hidden = shown.length > 0;
    this.head.replaceChildren(...COLUMNS.map((name) => el("th", { scope: "col" }, t(HEADING_KEYS[name]))));
    this.body.replaceChildren(...shown.flatMap((row) => [
      el("tr", {}, COLUMNS.map((name) => el("td", {}, cellText(row, name)))),
      ...(row.question || row.answer ? [el("tr", { class: "words" }, el("td", { colspan: String(COLUMNS.length) }, textDetails(row)))] : []),
    ]));
  }
}

const textDetails = ({ question, answer }) => el("details", {}, el("summary", {}, t("activity_words")), el("p", {}, question ?? ""), el("p", {}, answer ?? ""));

function cellText(row, name) {
  const value = row[name];
  if (value === null || value === undefined) return "";
  if (name === "time") return new Date(value * 1000).toLocaleString(document.documentElement.lang, { dateStyle: "short", timeStyle: "medium" });
  if (name === "wait_s" || name === "first_s") return formatDuration(Math.round(value * 10) / 10);
  return name === "rate" ? value.toFixed(1) : String(value);
}

/** Values as they are, times in ISO form; a cell that a spreadsheet would calculate is made text. */
export function csv(rows) {
  const cell = (value) => {
    const plain = String(value ?? "");
    const safe = FORMULA.test(plain) && typeof value !== "number" ? `'${plain}` : plain;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = rows.map((row) => COLUMNS.map((name) => cell(name === "time" ? new Date(row.time * 1000).toISOString() : row[name])));
  return `${[COLUMNS, ...lines].map((line) => line.join(",")).join("\r\n")}\r\n`;
}

/** A plain line above the chat while the gateway keeps what people write. */
export function prepareBodiesBanner() {
  let asked = 0;
  let keeps = false;
  const draw = () => {
    byId("bodies").hidden = !keeps;
    setText(byId("bodies"), keeps ? t("activity_bodies") : "");
  };
  onLanguage(draw);
  onEngine(async () => {
    if (engineStatus.link !== "online" || engineStatus.connection === asked) return;
    asked = engineStatus.connection;
    try {
      ({ bodies: keeps } = await callJson("/v1/activity?limit=0"));
      draw();
    } catch {
      asked = 0; // Asked again with the next event.
    }
  });
}
