// One answer on the page: the thinking, folded once the answer begins, the text, what is waited for, how it ended.

import { copyButton } from "./code.js";
import { el, icon, setText } from "./dom.js";
import { duration, t } from "./i18n.js";
import { render } from "./markdown.js";

export class AnswerView {
  /** `message` is the record that is shown; the owner changes it and calls `draw()`. */
  constructor(message, { regenerate }) {
    this.message = message;
    this.live = false;
    this.waiting = "";
    this.foldedByHand = false;
    this.frame = 0;
    this.build(regenerate);
    this.drawNow();
  }

  build(regenerate) {
    this.summary = el("span");
    this.thoughts = el("div", { class: "thoughts prose" });
    const fold = el("summary", { click: () => (this.foldedByHand = true) }, icon("bulb"), this.summary);
    this.reasoning = el("details", { class: "reasoning" }, fold, this.thoughts);
    this.content = el("div", { class: "content prose" });
    this.wait = el("p", { class: "waiting" }, el("span", { class: "pulse", "aria-hidden": "true" }), el("span"));
    this.note = el("p", { class: "note" });
    this.stats = el("span", { class: "stats" });
    this.again = el("button", { type: "button", class: "icon small", "data-label": "regenerate", click: regenerate }, icon("again"));
    this.actions = el("div", { class: "actions" }, copyButton(() => this.message.content), this.again, this.stats);
    this.who = el("h2", { class: "hidden", "data-word": "model" }, t("model"));
    this.node = el("li", { class: "message answer" }, this.who, this.reasoning, this.wait, this.content, this.note, this.actions);
  }

  /** Draws at the next frame, so that a fast stream costs no more than the screen can show. */
  draw() {
    this.frame ||= requestAnimationFrame(() => this.drawNow());
    // A page in the background gets no frames, but it must be right when it is looked at or read by a program.
    if (document.hidden) this.drawNow();
  }

  drawNow() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.drawReasoning();
    render(this.content, this.message.content);
    this.drawEnd();
  }

  drawReasoning() {
    const { reasoning, reasoning_s: seconds, content } = this.message;
    this.reasoning.hidden = !reasoning;
    if (!reasoning) return;
    render(this.thoughts, reasoning);
    const busy = this.live && !content;
    setText(this.summary, busy ? t("thinking", { time: duration(seconds ?? 0) }) : seconds ? t("thought", { time: duration(seconds) }) : t("thoughts"));
    if (!this.foldedByHand) this.reasoning.open = busy;
  }

  drawEnd() {
    const { finish, content } = this.message;
    this.wait.hidden = !(this.live && this.waiting);
    setText(this.wait.lastElementChild, this.waiting);
    const note = this.live ? "" : ending(this.message);
    this.note.hidden = !note;
    setText(this.note, note);
    this.note.classList.toggle("bad", ["error", "cut"].includes(finish));
    this.actions.hidden = this.live;
    this.actions.firstElementChild.hidden = !content;
    setText(this.stats, figures(this.message.stats));
    this.again.title = t("regenerate");
    this.again.setAttribute("aria-label", t("regenerate"));
    this.node.classList.toggle("live", this.live);
  }

  /** Only the newest answer carries the names that programs look for, and can be asked for again. */
  setNewest(newest) {
    for (const [node, name] of [[this.content, "answer"], [this.reasoning, "reasoning"]]) {
      if (newest) node.dataset.testid = name;
      else delete node.dataset.testid;
    }
    this.again.hidden = !newest;
  }
}

function ending({ finish, content, error }) {
  if (finish === "error") return t("end_error", { message: error ?? "" });
  const key = { length: "end_length", stopped: "end_stopped", cut: "end_cut", reload: "end_reload" }[finish];
  return key ? t(key) : content ? "" : t("empty_answer");
}

function figures(stats) {
  if (!stats) return "";
  const parts = [
    stats.rate && t("speed", { rate: stats.rate.toFixed(1) }),
    stats.first_s !== null && stats.first_s !== undefined && t("first_token", { time: duration(stats.first_s) }),
    stats.tokens && t("tokens_count", { count: stats.tokens }),
    stats.cached && t("cached", { count: stats.cached }),
  ];
  return parts.filter(Boolean).join(" · ");
}
