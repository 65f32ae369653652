// The engine's state in the bar, and the plain mark of a simulated one.

import { byId, setText } from "./dom.js";
import { elapsed, now, onEngine, stateName } from "./engine.js";
import { duration, onLanguage, t } from "./i18n.js";
import { chosenModel, onModels } from "./models.js";

export function prepareEngineState() {
  onEngine(draw);
  onLanguage(draw);
  onModels("state", draw);
  setInterval(() => stateName() === "starting" && draw(), 1000);
}

function draw() {
  const state = stateName();
  const pill = document.querySelector("[data-testid=engine-state]");
  pill.dataset.state = state;
  setText(byId("engine-word"), t(`state_${state}`));
  setText(byId("engine-model"), detail(state));
  pill.title = now.engine?.error ?? "";
  byId("simulated").hidden = !now.engine?.simulated;
  setText(byId("welcome-more"), t(now.engine?.simulated ? "welcome_simulated" : "welcome_more"));
}

const detail = (state) => (state === "starting" ? duration(Math.floor(now.engine.since_s + elapsed())) : now.engine?.model || chosenModel());
