// The models of the gateway, asked for whenever it comes (back) into reach.

import { callJson } from "./api.js";
import { engineStatus, onEngine } from "./engine.js";
import { read, write } from "./store.js";

const listeners = new Map();
let models = [];
let connection = 0;

const THINK_SUFFIX = "-think";

/** The models without their `-think` variants, because this page shows the thinking apart anyway. */
export const modelEntries = () => withoutThinkVariants(models);

/** The entries of `list` that are no `-think` variants of others. */
export function withoutThinkVariants(list) {
  const ids = list.map(({ id }) => id);
  return list.filter(({ id }) => !(id.endsWith(THINK_SUFFIX) && ids.includes(id.slice(0, -THINK_SUFFIX.length))));
}

export const modelIds = () => modelEntries().map(({ id }) => id);

export function chooseModel(id) {
  write("model", id);
  for (const listener of listeners.values()) listener();
}

/** The model that the user chose while it is served, else the first; "" leaves the choice to the gateway. */
export function chosenModel() {
  const kept = read("model", "");
  return modelIds().includes(kept) ? kept : modelIds()[0] ?? "";
}

/** The context of a model, the chosen one by default, in tokens; null where the gateway does not tell. */
export function contextSize(name = chosenModel()) {
  const model = models.find(({ id }) => id === name) ?? models[0];
  return model?.context_length ?? model?.max_model_len ?? null;
}

/** Whether a model, the chosen one by default, takes pictures. */
export const seesImages = (name = chosenModel()) => Boolean(models.find(({ id }) => id === name)?.architecture?.input_modalities?.includes("image"));

/** `listener()` when the list has changed; one a name, so that a panel drawn anew takes the old one's place. */
export function onModels(name, listener) {
  listeners.set(name, listener);
}

export function followModels() {
  onEngine(() => {
    if (engineStatus.link !== "online" || engineStatus.connection === connection) return;
    connection = engineStatus.connection;
    refresh();
  });
  return refresh();
}

/** Waits for the list when a question comes before it. */
export const waitForModels = async () => models.length || refresh();

async function refresh() {
  try {
    models = (await callJson("/v1/models")).data ?? [];
    for (const listener of listeners.values()) listener();
  } catch {
    connection = 0; // Asked again with the next event of the engine.
  }
}
