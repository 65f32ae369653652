// The menu of models in the bar, where the gateway serves several: which one is loaded, and what another costs to load.

import { byId, el } from "./dom.js";
import { engineStatus, onEngine, stateName } from "./engine.js";
import { formatDuration, onLanguage, t } from "./i18n.js";
import { chooseModel, chosenModel, modelEntries, onModels } from "./models.js";

export function prepareModelMenu() {
  const menu = byId("model-menu");
  menu.addEventListener("change", () => chooseModel(menu.value));
  onModels("menu", draw);
  onEngine(draw);
  onLanguage(draw);
}

function draw() {
  const menu = byId("model-menu");
  const entries = modelEntries();
  document.documentElement.toggleAttribute("data-models", entries.length > 1);
  menu.hidden = entries.length < 2;
  const lines = entries.map((entry) => [entry.id, `${entry.id} (${stateOf(entry)})`]);
  const signature = JSON.stringify([lines, chosenModel()]);
  if (menu.hidden || menu.dataset.drawn === signature) return;
  menu.dataset.drawn = signature;
  menu.replaceChildren(...lines.map(([id, text]) => el("option", { value: id, selected: id === chosenModel() }, text)));
  menu.value = chosenModel();
}

/** The state of the engine's own model and what the engine knows of the others; what cannot start is in the list. */
function stateOf({ id, status }) {
  const known = engineStatus.engine?.models?.[id];
  const isFailed = known?.error || (status?.value === "failed" && !known);
  const shown = id === engineStatus.engine?.model ? stateName() : isFailed ? "failed" : "unloaded";
  if (["ready", "busy"].includes(shown)) return t("model_loaded");
  if (["starting", "checking"].includes(shown)) return t("model_loading");
  if (shown === "failed") return t("state_failed");
  const seconds = known?.load_s ?? engineStatus.engine?.load_s;
  return seconds ? t("model_unloaded_time", { time: formatDuration(Math.max(1, Math.round(seconds))) }) : t("model_unloaded");
}
