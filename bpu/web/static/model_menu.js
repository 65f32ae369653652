// The menu of models in the bar, where the gateway serves several: which one is loaded, and what another costs to load.

import { byId, el } from "./dom.js";
import { now, onEngine, stateName } from "./engine.js";
import { duration, onLanguage, t } from "./i18n.js";
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

/** What the list of models says of its state, else what is known of the engine's own model. */
function stateOf({ id, state, load_s: loadS }) {
  const isCurrent = id === now.engine?.model;
  const shown = state ?? (isCurrent ? stateName() : "unloaded");
  if (["ready", "busy", "loaded"].includes(shown)) return t("model_loaded");
  if (["starting", "loading", "checking"].includes(shown)) return t("model_loading");
  const seconds = loadS ?? now.engine?.load_s;
  return seconds ? t("model_unloaded_time", { time: duration(Math.max(1, Math.round(seconds))) }) : t("model_unloaded");
}
