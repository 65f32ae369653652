// The engine's state in the bar, the plain mark of a simulated one, and on the empty page why nothing works.

import { callJson } from "./api.js";
import { byId, el, setText } from "./dom.js";
import { engineStatus, onEngine, secondsSinceEvent, stateName } from "./engine.js";
import { formatDuration, onLanguage, t } from "./i18n.js";
import { chosenModel, onModels } from "./models.js";
import { checkingText } from "./queue_view.js";

let health = {};
let requestedFor = "";

export function prepareEngineState() {
  onEngine(draw);
  onLanguage(draw);
  onModels("state", draw);
  setInterval(() => ["starting", "checking"].includes(stateName()) && draw(), 1000);
}

/** The name of the state for a person: a load after a stop or a crash is a restart. */
export function stateLabel() {
  const state = stateName();
  if (state === "starting" && engineStatus.isRestart) return "restarting";
  // Busy without a job: the console resets its conversation, and no request is running.
  if (state === "busy" && !engineStatus.engine.running && !(engineStatus.engine.waiting ?? []).length) return "preparing";
  return state;
}

function draw() {
  const state = stateName();
  const pill = document.querySelector("[data-testid=engine-state]");
  pill.dataset.state = state;
  setText(byId("engine-word"), t(`state_${stateLabel()}`));
  setText(byId("engine-model"), detail(state));
  pill.title = engineStatus.engine?.error ?? "";
  if (state === "locked" && requestedFor !== state) fetchHealth();
  requestedFor = state;
  drawEngineKind(engineStatus.link === "online" ? engineStatus.engine ?? {} : health);
  byId("checking").hidden = state !== "checking";
  setText(byId("checking"), state === "checking" ? t("checking") : "");
  byId("checking").title = state === "checking" ? checkingText(engineStatus.engine.examination) : "";
  drawFailure(state);
}

/** Says who answers where it is not the board's console. */
function drawEngineKind({ simulated, cpu }) {
  const words = byId("simulated").firstElementChild;
  byId("simulated").hidden = !(simulated || cpu);
  words.dataset.word = cpu ? "on_cpu" : "simulated";
  setText(words, t(words.dataset.word));
  setText(byId("welcome-more"), t(cpu ? "welcome_cpu" : simulated ? "welcome_simulated" : "welcome_more"));
}

/** `GET /health` needs no key: without one the page still knows who answers. */
async function fetchHealth() {
  try {
    const { simulated, engine } = await callJson("/health");
    health = { simulated, cpu: engine?.cpu };
    draw();
  } catch {
    requestedFor = ""; // Asked again with the next event.
  }
}

function drawFailure(state) {
  const box = byId("trouble");
  const kinds = { failed: "trouble_failed", offline: "trouble_offline", locked: "trouble_locked" };
  const signature = JSON.stringify([state, engineStatus.engine?.error, document.documentElement.lang]);
  box.hidden = !(state in kinds);
  if (box.hidden || box.dataset.drawn === signature) return;
  box.dataset.drawn = signature;
  const reason = state === "failed" ? engineStatus.engine?.error : "";
  box.replaceChildren(
    el("p", {}, t(kinds[state])),
    reason ? el("details", {}, el("summary", {}, t("details")), el("p", {}, reason)) : "");
}

const detail = (state) => (state === "starting" ? formatDuration(Math.floor(engineStatus.engine.since_s + secondsSinceEvent())) : engineStatus.engine?.model || chosenModel());
