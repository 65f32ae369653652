// One answer on the page: the thinking, folded once the answer begins, the text, what is waited for, how it ended.

import { branchStepper } from "./branch.js";
import { copyButton, iconButton } from "./code.js";
import { el, icon, setText } from "./dom.js";
import { drawSoon } from "./draw_queue.js";
import { sentenceOf } from "./errors.js";
import { formatDuration, hasWord, language, t } from "./i18n.js";
import { render } from "./markdown.js";

const MIN_THINKING_S = 0.5; // Less is not worth a figure.

export class AnswerView {
  /** `message` is the node that is shown; the owner changes it and calls `draw()`. */
  constructor(message, { regenerate, goOn, versions }) {
    this.message = message;
    this.versions = versions;
    this.live = false;
    this.waiting = "";
    this.foldedByHand = false;
    this.build(regenerate, goOn, versions);
  }

  build(regenerate, goOn, versions) {
    this.summary = el("span");
    this.thoughts = el("div", { class: "thoughts prose" });
    const fold = el("summary", { click: () => (this.foldedByHand = true) }, icon("bulb"), this.summary);
    this.reasoning = el("details", { class: "reasoning", toggle: () => this.draw() }, fold, this.thoughts);
    this.content = el("div", { class: "content prose" });
    this.waitingLine = el("p", { class: "waiting" }, el("span", { class: "pulse", "aria-hidden": "true" }), el("span"));
    this.note = el("p", { class: "note" });
    this.continueButton = el("button", { type: "button", class: "quiet", "data-testid": "continue", click: goOn }, t("continue"));
    this.stats = el("span", { class: "stats" });
    this.copy = copyButton(() => this.message.content);
    this.regenerateButton = iconButton("again", "regenerate", regenerate);
    this.actions = el("div", { class: "actions" }, branchStepper(versions), this.copy, this.regenerateButton, this.stats);
    this.who = el("h2", { class: "hidden", "data-word": "model" }, t("model"));
    this.node = el("li", { class: "message answer", "aria-busy": "true" }, this.who, this.reasoning, this.waitingLine, this.content, this.note, this.continueButton, this.actions);
  }

  /** Draws at the next frame, so that a fast stream costs no more than the screen can show. */
  draw() {
    drawSoon(this);
  }

  /** Draws while there is time; true when nothing is left to draw. */
  drawPart(hasTime) {
    const isDrawn = this.drawReasoning(hasTime) && render(this.content, this.message.content, hasTime);
    this.drawEnd();
    if (isDrawn) this.node.removeAttribute("aria-busy");
    else this.node.setAttribute("aria-busy", "true");
    return isDrawn;
  }

  drawReasoning(hasTime) {
    const { reasoning, reasoning_s: seconds, content } = this.message;
    this.reasoning.hidden = !reasoning;
    if (!reasoning) return true;
    const busy = this.live && !content;
    setText(this.summary, busy ? t("thinking", { time: formatDuration(seconds ?? 0) }) : seconds >= MIN_THINKING_S ? t("thought", { time: formatDuration(seconds) }) : t("thoughts"));
    if (!this.foldedByHand) this.reasoning.open = busy;
    // What is folded need not be drawn again with every token of the answer.
    if (this.drawnThoughts === reasoning) return true;
    const isDrawn = render(this.thoughts, reasoning, hasTime);
    if (isDrawn) this.drawnThoughts = reasoning;
    return isDrawn;
  }

  drawEnd() {
    const { finish, content } = this.message;
    this.waitingLine.hidden = !(this.live && this.waiting);
    setText(this.waitingLine.lastElementChild, this.waiting);
    const note = this.live ? "" : endNote(this.message);
    this.note.hidden = !note;
    setText(this.note, note);
    this.note.classList.toggle("bad", ["error", "cut", "lost"].includes(finish));
    this.actions.hidden = this.live;
    this.copy.hidden = !content;
    setText(this.stats, statsText(this.message.stats));
    this.node.classList.toggle("live", this.live);
    this.drawContinueButton();
  }

  drawContinueButton() {
    const { finish, content } = this.message;
    const isCut = ["length", "cut", "stopped", "lost", "reload"].includes(finish);
    this.continueButton.hidden = this.live || !this.newest || !isCut || !content;
  }

  /** Only the newest answer carries the names that programs look for, and can be asked for again. */
  setNewest(newest) {
    this.newest = newest;
    for (const [node, name] of [[this.content, "answer"], [this.reasoning, "reasoning"]]) {
      if (newest) node.dataset.testid = name;
      else delete node.dataset.testid;
    }
    this.regenerateButton.hidden = !newest;
    this.drawContinueButton();
  }
}

function endNote({ finish, content, error }) {
  if (finish === "error") return t("end_error", { message: error ? sentenceOf(error) : "" });
  const key = `end_${finish}`;
  return hasWord(key) ? t(key) : content ? "" : t("empty_answer");
}

/** "prompt 90 (85 cached), 60 tokens, 17.1 tokens/s, waited 2 s, first token 0.4 s", as far as it is known. */
function statsText(stats) {
  if (!stats) return "";
  const { prompt, cached, tokens, rate, waited_s: waited, first_s: first } = stats;
  const parts = [
    prompt && (cached ? t("prompt_cached", { prompt, cached }) : t("prompt_tokens", { prompt })),
    tokens && t("tokens_count", { count: tokens }),
    rate && t("speed", { rate: rate.toFixed(1) }),
    waited >= 1 && t("waited", { time: formatDuration(waited) }),
    first > 0.05 && t("first_token", { time: formatDuration(first) }),
  ];
  return parts.filter(Boolean).join(language() === "zh" ? "，" : ", ");
}
