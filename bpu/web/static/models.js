// The models of the gateway, asked for whenever it comes (back) into reach.

import { callJson } from "./api.js";
import { now, onEngine } from "./engine.js";
import { read, write } from "./store.js";

const listeners = new Map();
let models = [];
let link = "";

const THINK = "-think";

/** Without the twins that send the thinking inside the text: this page shows it apart anyway. */
export const modelEntries = () => withoutTwins(models);

/** The entries of a list of models that are no twins of others. */
export function withoutTwins(list) {
  const ids = list.map(({ id }) => id);
  return list.filter(({ id }) => !(id.endsWith(THINK) && ids.includes(id.slice(0, -THINK.length))));
}

export const modelIds = () => modelEntries().map(({ id }) => id);

export function chooseModel(id) {
  write("model", id);
  for (const listener of listeners.values()) listener();
}

/** The one a person has chosen while it is there, else the first; "" is left to the gateway's judgement. */
export function chosenModel() {
  const kept = read("model", "");
  return modelIds().includes(kept) ? kept : modelIds()[0] ?? "";
}

/** The context of a model, the chosen one by default, in tokens; null where the gateway does not tell. */
export function contextSize(name = chosenModel()) {
  const model = models.find(({ id }) => id === name) ?? models[0];
  return model?.context_length ?? model?.max_model_len ?? null;
}

/** `listener()` when the list has changed; one a name, so that a panel drawn anew takes the old one's place. */
export function onModels(name, listener) {
  listeners.set(name, listener);
}

export function followModels() {
  onEngine(() => {
    if (now.link === "online" && link !== "online") refresh();
    link = now.link;
  });
  return refresh();
}

/** Waits for the list when a question comes before it. */
export const modelsKnown = async () => models.length || refresh();

async function refresh() {
  try {
    models = (await callJson("/v1/models")).data ?? [];
    for (const listener of listeners.values()) listener();
  } catch {
    link = ""; // Asked again with the next event of the engine.
  }
}
