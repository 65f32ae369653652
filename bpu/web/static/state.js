// The engine's state in the bar, the plain mark of a simulated one, and on the empty page why nothing works.

import { callJson } from "./api.js";
import { byId, el, setText } from "./dom.js";
import { elapsed, now, onEngine, stateName } from "./engine.js";
import { duration, onLanguage, t } from "./i18n.js";
import { chosenModel, onModels } from "./models.js";
import { checkingWords } from "./queue_view.js";

let health = {};
let asked = "";

export function prepareEngineState() {
  onEngine(draw);
  onLanguage(draw);
  onModels("state", draw);
  setInterval(() => ["starting", "checking"].includes(stateName()) && draw(), 1000);
}

/** The name of the state for a person: a load after a stop or a crash is a restart. */
export function shownState() {
  const state = stateName();
  if (state === "starting" && now.isRestart) return "restarting";
  // Busy without a job: the console forgets the last conversation, and that is no work of anybody.
  if (state === "busy" && !now.engine.running && !(now.engine.waiting ?? []).length) return "preparing";
  return state;
}

function draw() {
  const state = stateName();
  const pill = document.querySelector("[data-testid=engine-state]");
  pill.dataset.state = state;
  setText(byId("engine-word"), t(`state_${shownState()}`));
  setText(byId("engine-model"), detail(state));
  pill.title = now.engine?.error ?? "";
  if (state === "locked" && asked !== state) askHealth();
  asked = state;
  drawAnswerer(now.link === "online" ? now.engine ?? {} : health);
  byId("checking").hidden = state !== "checking";
  setText(byId("checking"), state === "checking" ? t("checking") : "");
  byId("checking").title = state === "checking" ? checkingWords(now.engine.examination) : "";
  drawTrouble(state);
}

/** Says who answers where it is not the board's console. */
function drawAnswerer({ simulated, cpu }) {
  const words = byId("simulated").firstElementChild;
  byId("simulated").hidden = !(simulated || cpu);
  words.dataset.word = cpu ? "on_cpu" : "simulated";
  setText(words, t(words.dataset.word));
  setText(byId("welcome-more"), t(cpu ? "welcome_cpu" : simulated ? "welcome_simulated" : "welcome_more"));
}

/** `GET /health` needs no key: without one the page still knows who answers. */
async function askHealth() {
  try {
    const { simulated, engine } = await callJson("/health");
    health = { simulated, cpu: engine?.cpu };
    draw();
  } catch {
    asked = ""; // Asked again with the next event.
  }
}

function drawTrouble(state) {
  const box = byId("trouble");
  const kinds = { failed: "trouble_failed", offline: "trouble_offline", locked: "trouble_locked" };
  const signature = JSON.stringify([state, now.engine?.error, document.documentElement.lang]);
  box.hidden = !(state in kinds);
  if (box.hidden || box.dataset.drawn === signature) return;
  box.dataset.drawn = signature;
  const reason = state === "failed" ? now.engine?.error : "";
  box.replaceChildren(
    el("p", {}, t(kinds[state])),
    reason ? el("details", {}, el("summary", {}, t("details")), el("p", {}, reason)) : "");
}

const detail = (state) => (state === "starting" ? duration(Math.floor(now.engine.since_s + elapsed())) : now.engine?.model || chosenModel());
