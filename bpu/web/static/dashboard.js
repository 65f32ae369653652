// The board at a glance: engine, resident conversation, queue, speed, memory, log. Figures and states, never words of a chat.

import { ActivityTable } from "./activity.js";
import { ApiError, call } from "./api.js";
import { bar, columns, line } from "./charts.js";
import { el, icon } from "./dom.js";
import { engineStatus, onEngine, secondsSinceEvent, stateName } from "./engine.js";
import { showError } from "./errors.js";
import { SpeedHistory } from "./history.js";
import { formatDuration, hasWord, t } from "./i18n.js";
import { isOwn } from "./jobs.js";
import { contextSize } from "./models.js";
import { checkingText } from "./queue_view.js";
import { confirmButton } from "./settings.js";
import { stateLabel } from "./state.js";

const SECTIONS = ["engine", "speed_chart", "ttft_chart", "resident", "queue", "memory", "temperature", "log", "activity"];
const HALF_WIDTH = ["speed_chart", "ttft_chart"];

export class Dashboard {
  constructor(section) {
    this.section = section;
    this.history = new SpeedHistory();
    this.activity = new ActivityTable();
    this.parts = {};
    onEngine(() => {
      this.history.take(engineStatus.link === "online" ? engineStatus.engine?.running ?? null : null);
      this.draw();
    });
    setInterval(() => this.draw(), 1000);
  }

  build() {
    this.parts = {};
    this.section.replaceChildren(...SECTIONS.map((name) => {
      this.parts[name] = { node: el("div", { class: `part part-${name}` }), drawn: "" };
      return el("section", { class: HALF_WIDTH.includes(name) ? "card half" : "card", "data-testid": name === "activity" ? name : null }, el("h3", {}, t(name)), this.parts[name].node);
    }));
    this.parts.activity.node.replaceChildren(...this.activity.build());
    this.draw();
  }

  draw() {
    if (this.section.hidden || !this.parts.engine || document.hidden) return;
    const engine = engineStatus.engine ?? {};
    this.put("engine", [stateLabel(), seconds(engine.since_s), engine.loads, engine.restarts, engine.error, engine.load_s, seconds(engine.retry_after_s)], () => engineCard(engine));
    this.put("resident", [engine.cache_tokens, contextSize(engine.model)], () => residentBar(engine.cache_tokens ?? 0));
    this.put("queue", [engine.running, engine.waiting, Math.floor(secondsSinceEvent()), [engine.running, ...(engine.waiting ?? [])].map((job) => job && isOwn(job.id))], () => queue(engine));
    this.put("speed_chart", this.history.rates, () => chart(line, this.history.rates, (value) => value.toFixed(1), t("speed_unit")));
    this.put("ttft_chart", this.history.firsts, () => chart(columns, this.history.firsts, (value) => (value < 0.05 ? "< 0.1" : value.toFixed(1)), "s"));
    this.put("memory", engineStatus.board?.memory, () => memory(engineStatus.board?.memory ?? []));
    this.put("temperature", [engineStatus.board?.bpu_percent, engineStatus.board?.temperatures], () => loadAndTemperatures(engineStatus.board ?? {}));
    this.put("log", engine.log, () => log(engine.log ?? []));
  }

  /** Draws a part only when its facts have changed, so that a focused button stays focused. */
  put(name, facts, make) {
    const part = this.parts[name];
    const signature = JSON.stringify(facts) ?? "";
    if (part.drawn === signature || part.node.querySelector("[data-sure], button:active")) return; // A question waits for its second press, a press for its end.
    part.drawn = signature;
    const focused = part.node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const drawn = [make()].flat();
    part.node.parentNode.hidden = !drawn.length; // What this machine does not tell is left out.
    part.node.replaceChildren(...drawn);
    if (focused) part.node.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }
}

const seconds = (value) => (value === null || value === undefined ? null : Math.max(0, Math.floor(value + secondsSinceEvent())));
const fact = (name, value) => [el("dt", {}, name), el("dd", {}, value)];

function engineCard(engine) {
  const state = stateName();
  const restarts = Object.entries(engine.restarts ?? {}).map(([cause, count]) => `${causeText(cause)} ${count}`).join(", ");
  const left = engine.retry_after_s === null || engine.retry_after_s === undefined ? null : Math.max(0, engine.retry_after_s - secondsSinceEvent());
  return [
    el("p", { class: "state-line", "data-state": state }, el("span", { class: "dot", "aria-hidden": "true" }), el("strong", {}, t(`state_${stateLabel()}`)),
      engine.since_s === undefined ? "" : ` ${t("since", { time: formatDuration(seconds(engine.since_s)) })}`),
    state === "starting" ? progress(engine) : null,
    state === "checking" ? el("p", { class: "note" }, checkingText(engine.examination)) : null,
    engine.error ? el("p", { class: "note bad" }, engine.error) : null,
    left === null ? null : el("p", { class: "note" }, t("retry_after", { time: formatDuration(left) })),
    el("dl", {},
      fact(t("profile"), `${engine.profile ?? "…"}${engine.console_pid ? ` (pid ${engine.console_pid})` : ""}`),
      fact(t("loads"), String(engine.loads ?? 0)),
      engine.load_s ? fact(t("load_time"), formatDuration(engine.load_s)) : null,
      fact(t("restarts"), restarts || t("none"))),
    el("div", { class: "buttons" },
      action("load", "/v1/engine/load", ["ready", "busy", "starting", "checking"].includes(state)),
      action("unload", "/v1/engine/unload", !["ready", "busy", "starting", "checking"].includes(state))),
  ].filter(Boolean);
}

/** Why a console was ended; a cause that has no words here keeps the gateway's own. */
const causeText = (cause) => (hasWord(`cause_${cause}`) ? t(`cause_${cause}`) : cause);

/** How far a load is: against the last one where there was one. */
function progress(engine) {
  const gone = engine.since_s + secondsSinceEvent();
  const known = engine.load_s > 0;
  return el("progress", { max: "1", value: known ? String(Math.min(0.97, gone / engine.load_s)) : null, "aria-label": t("loading_progress") });
}

function action(key, path, disabled) {
  return el("button", { type: "button", class: "quiet", "data-key": key, disabled, click: () => postAction(path) }, t(key));
}

async function postAction(path) {
  try {
    await call(path, { method: "POST", body: {} });
  } catch (error) {
    if (error instanceof ApiError) showError(error);
    else throw error;
  }
}

function residentBar(tokens) {
  const context = contextSize(engineStatus.engine?.model);
  if (!tokens) return el("p", { class: "hint" }, t("resident_empty"));
  if (!context) return el("p", {}, t("resident_tokens_only", { tokens }));
  return bar(t("resident_tokens", { tokens, context }), `${Math.round((100 * tokens) / context)} %`, tokens / context);
}

function queue({ running, waiting }) {
  const jobs = [...(running ? [{ ...running, position: 0 }] : []), ...(waiting ?? [])];
  if (!jobs.length) return el("p", { class: "hint" }, t("queue_empty"));
  return el("ul", { class: "jobs" }, jobs.map((job) => jobRow(job)));
}

function jobRow({ id, phase, position, age_s: age, tokens }) {
  const where = position ? t("place", { position }) : t(`phase_${phase ?? "queued"}`);
  const parts = [where, formatDuration(seconds(age) ?? 0), tokens ? t("tokens_count", { count: tokens }) : ""].filter(Boolean);
  const own = isOwn(id);
  return el("li", { class: own ? "own" : null },
    el("span", { class: "job-id" }, id.slice(-8)), el("span", {}, parts.join(" · ")), el("span", { class: "job-owner" }, t(own ? "yours" : "others_job")), cancelButton(id, own));
}

/** A job of this page is cancelled by one press; a job of another client needs a second press. */
function cancelButton(id, own) {
  const cancel = () => postAction(`/v1/jobs/${encodeURIComponent(id)}/cancel`);
  const label = `${t("cancel_job")} ${id.slice(-8)}`;
  if (own) return el("button", { type: "button", class: "icon small", "data-key": `cancel-${id}`, "aria-label": label, title: t("cancel_job"), click: cancel }, icon("close"));
  const button = confirmButton("cancel_job", "cancel_sure", cancel);
  button.dataset.key = `cancel-${id}`;
  return button;
}

function chart(drawing, values, say, unit) {
  if (!values.length) return el("p", { class: "hint" }, t("no_data"));
  const [latest, highest] = [values.at(-1), Math.max(...values)].map(say);
  return [
    el("p", { class: "reading" }, el("strong", {}, latest), unit),
    drawing(values, t("chart_summary", { latest: `${latest} ${unit}`, highest: `${highest} ${unit}` })),
    el("p", { class: "figures" }, t("chart_highest", { highest })),
  ];
}

function memory(pools) {
  return pools.map(({ name, used, total }) =>
    used === null
      ? bar(name, t("memory_total", { total: formatSize(total) }), null)
      : bar(name, t("memory_used", { used: formatSize(used), total: formatSize(total) }), used / total));
}

const formatSize = (bytes) => (bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`);

function loadAndTemperatures({ bpu_percent: cores = [], temperatures = [] }) {
  const name = (index) => (cores.length > 1 ? `${t("bpu_load")}, ${t("core", { number: index })}` : t("bpu_load"));
  return [
    ...cores.map((percent, index) => bar(name(index), `${percent} %`, percent / 100)),
    temperatures.length ? el("dl", {}, temperatures.map(({ name: zone, celsius }) => fact(zone, `${celsius} °C`))) : null,
  ].filter(Boolean);
}

function log(lines) {
  return lines.length ? el("pre", { class: "log", tabindex: "0" }, lines.join("\n")) : el("p", { class: "hint" }, t("log_empty"));
}
