// How full the model's context is: what this conversation takes of it, what is left, and what of it is cached.
// The figures are the gateway's counts of the last answer; they are exact, and they are not there before the first one.
// What is cached is said while the console's cache ends with this conversation's last answer, and no job changes it.

import * as conversations from "./conversations.js";
import { byId, el, setText } from "./dom.js";
import { engineStatus } from "./engine.js";
import { t } from "./i18n.js";
import { chosenModel, contextSize } from "./models.js";

const WARN_AT = 0.8;

/** The tokens of `nodes` as far as they are known: those of the last answer's prompt and of its own words. */
export function tokensOf(nodes) {
  const last = nodes.findLast(({ stats }) => stats?.prompt);
  return last ? last.stats.prompt + (last.stats.tokens ?? 0) - (last.stats.reasoning ?? 0) : 0;
}

/** The tokens in the console's cache where they are those of `nodes`, else 0. */
function cachedTokens(nodes) {
  const { cache_job: job, cache_tokens: tokens, model } = engineStatus.engine ?? {};
  const answer = nodes.findLast(({ role }) => role === "assistant");
  return job && job === answer?.job && model === chosenModel() ? tokens : 0;
}

export class ContextGauge {
  constructor() {
    this.node = byId("context-gauge");
    this.bar = el("span", { class: "gauge-fill" });
    this.words = el("span", { class: "gauge-words" });
    this.node.append(el("span", { class: "gauge-track", "aria-hidden": "true" }, this.bar), this.words);
  }

  /** `job` is the answer under way, if there is one: the prompt it was given, and each token that has come. */
  draw(conversation, job) {
    const size = contextSize() ?? engineStatus.engine?.context_length ?? null;
    const sent = conversations.sentPath(conversation);
    const used = tokensOf(sent) + (job ? job.meter.count : 0);
    const share = size ? Math.min(1, used / size) : 0;
    this.node.hidden = !share;
    byId("context-warning").hidden = share < WARN_AT;
    if (!share) return;
    const cached = job ? 0 : Math.min(cachedTokens(sent), used);
    this.bar.style.width = `${Math.round(100 * share)}%`;
    this.node.dataset.level = share >= WARN_AT ? "high" : "low";
    const values = { used, size, left: Math.max(0, size - used), cached };
    setText(this.words, t("context_short", values));
    const text = t(share >= WARN_AT ? "context_high" : cached ? "context_cached" : "context_long", values);
    if (this.node.title !== text) {
      this.node.title = text;
      this.node.setAttribute("aria-label", text);
    }
    setText(byId("context-warning"), share < WARN_AT ? "" : t("context_high", values));
  }
}
