// The chat: one conversation on the page, one answer at a time; it owns the request and the record of what was said.

import { announce, announceEnd, announcePiece } from "./announce.js";
import { AnswerView } from "./answer.js";
import { complete } from "./completion.js";
import { Composer } from "./composer.js";
import * as conversations from "./conversations.js";
import { byId, el, setText } from "./dom.js";
import { hideError, showError } from "./errors.js";
import { onEngine } from "./engine.js";
import { onLanguage, t } from "./i18n.js";
import { Meter } from "./speed_view.js";
import { modelsKnown } from "./models.js";
import { PromptView } from "./prompt_view.js";
import { Scroll } from "./scroll.js";
import { requestOf } from "./settings.js";
import { queueWords, waitingWords } from "./queue_view.js";

const SAVE_EVERY_MS = 1000;
const CLOCK_MS = 250;
const LEAVING_MS = 1500; // A link to another program says "leaving" too, and then the page stays.

export class Chat {
  /** `changed()` is called when the list of conversations may look different. */
  constructor({ changed }) {
    this.changed = changed;
    this.conversation = conversations.create();
    this.views = [];
    this.job = null;
    this.scroll = new Scroll();
    this.composer = new Composer({ send: (text) => this.ask(text), stop: () => this.stop() });
    onEngine(() => this.drawStatus());
    onLanguage(() => this.show());
    this.leaving = -Infinity;
    addEventListener("beforeunload", () => (this.leaving = performance.now()));
    addEventListener("pagehide", () => this.leave());
    addEventListener("pageshow", (event) => event.persisted && location.reload());
  }

  get messages() {
    return this.conversation.messages;
  }

  open(conversation) {
    this.stop();
    hideError();
    this.conversation = conversation;
    this.show();
    this.scroll.toEnd();
    this.changed();
  }

  startNew() {
    this.open(conversations.create());
    this.composer.area.focus();
  }

  show() {
    this.views = this.messages.map((message) => this.viewOf(message));
    byId("messages").replaceChildren(...this.views.map((view) => view.node));
    if (this.job) this.job.view = this.views.at(-1);
    this.markNewest();
    this.drawStatus();
  }

  viewOf(message) {
    if (message.role === "user") return new PromptView(message, { resend: (text) => this.resend(message, text) });
    const view = new AnswerView(message, { regenerate: () => this.regenerate() });
    view.live = this.job?.message === message;
    view.drawNow();
    return view;
  }

  markNewest() {
    const answers = this.views.filter((view) => view instanceof AnswerView);
    for (const view of answers) view.setNewest(view === answers.at(-1));
    byId("welcome").hidden = this.messages.length > 0;
  }

  ask(text) {
    this.messages.push({ role: "user", content: text });
    this.answer();
  }

  resend(message, text) {
    this.stop();
    this.messages.splice(this.messages.indexOf(message));
    this.ask(text);
  }

  /** Asks the last question again; whatever came of it is replaced. */
  regenerate() {
    this.stop();
    while (this.messages.at(-1)?.role === "assistant") this.messages.pop();
    if (this.messages.length) this.answer();
  }

  async answer() {
    hideError();
    const message = { role: "assistant", content: "", reasoning: "", reasoning_s: 0, finish: "reload", stats: null };
    this.messages.push(message);
    const job = (this.job = { message, abort: new AbortController(), meter: new Meter(), id: "", savedAt: 0, view: null });
    conversations.touch(this.conversation);
    this.composer.setBusy(true);
    this.show();
    this.save();
    this.scroll.toEnd();
    job.clock = setInterval(() => this.drawStatus(), CLOCK_MS);
    try {
      await modelsKnown();
      const request = requestOf(this.messages.slice(0, -1));
      for await (const event of complete(request, job.abort.signal)) this.take(job, event);
    } catch (error) {
      this.failed(job, error);
    }
    this.end(job);
  }

  take(job, event) {
    const { message, meter } = job;
    job.id = event.id || job.id;
    if (event.kind === "reasoning" || event.kind === "content") this.piece(job, event);
    if (event.kind === "figures") message.stats = meter.stats(event.usage, event.timings);
    if (event.kind === "finish") message.finish = event.reason;
    if (Date.now() - job.savedAt > SAVE_EVERY_MS) this.save(job);
    this.drawStatus();
  }

  piece({ message, meter, view }, { kind, text }) {
    if (!message.reasoning && !message.content) announce(t(kind === "reasoning" ? "thinking_begins" : "answer_begins"));
    meter.piece();
    message[kind] += text;
    if (kind === "content") announcePiece(text);
    else message.reasoning_s = meter.age() - meter.firstAfter;
    view.draw();
    this.scroll.follow();
  }

  failed(job, error) {
    const { message } = job;
    if (this.isLeaving()) return;
    if (error.name === "AbortError") {
      message.finish = "stopped";
      return;
    }
    const begun = message.content || message.reasoning;
    message.finish = error.code === "cut" ? "cut" : "error";
    message.error = error.message;
    if (!begun) this.messages.splice(this.messages.indexOf(message), 1);
    if (this.job === job) showError(error, () => this.regenerate());
  }

  /** Whatever happened, the page is free for the next question. */
  end(job) {
    if (this.isLeaving()) {
      setTimeout(() => this.end(job), LEAVING_MS); // The page is going, and what is kept says so; unless it stays.
      return;
    }
    clearInterval(job.clock);
    const { message, meter } = job;
    if (message.finish === "reload") message.finish = "cut";
    message.stats ??= meter.firstAfter === null ? null : meter.stats();
    if (this.job !== job) return;
    this.job = null;
    this.composer.setBusy(false);
    announceEnd(message.finish === "stop" ? t("answer_done") : "");
    this.save();
    this.show();
    this.scroll.follow();
  }

  stop() {
    const job = this.job;
    if (!job) return;
    job.abort.abort();
    job.message.finish = "stopped";
    this.end(job);
  }

  isLeaving() {
    return performance.now() - this.leaving < LEAVING_MS;
  }

  /** The page goes away: keep what has come, and let go of the board. */
  leave() {
    this.leaving = performance.now();
    if (this.job) this.save();
    this.job?.abort.abort();
  }

  save(job = null) {
    if (job) job.savedAt = Date.now();
    if (!conversations.save(this.conversation)) showError({ code: "storage", message: "" });
    this.changed();
  }

  drawStatus() {
    const job = this.job;
    setText(byId("queue"), queueWords(job));
    const rate = job ? job.meter.rate() : this.messages.at(-1)?.stats?.rate;
    setText(byId("speed"), rate ? t("speed", { rate: rate.toFixed(1) }) : "");
    if (!job?.view) return;
    job.view.waiting = waitingWords(job);
    job.view.draw();
  }
}

/** Questions to begin with, in the language of the page. */
export function drawIdeas(chat) {
  const idea = (key) => el("li", {}, el("button", { type: "button", class: "idea", click: () => chat.ask(t(key)) }, t(key)));
  const draw = () => byId("ideas").replaceChildren(...["idea_1", "idea_2", "idea_3"].map(idea));
  onLanguage(draw);
}
