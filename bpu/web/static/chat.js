// The chat: one conversation on the page. It shows its messages and asks for answers; `jobs.js` owns those under way.

import { announce, announceEnd, announcePiece } from "./announce.js";
import { AnswerView } from "./answer.js";
import { Composer } from "./composer.js";
import { ContextGauge, tokensOf } from "./context_gauge.js";
import * as conversations from "./conversations.js";
import { byId, el, setChildren, setText } from "./dom.js";
import { drawSlice } from "./draw_queue.js";
import { hideError, showError } from "./errors.js";
import { onEngine } from "./engine.js";
import { onLanguage, t } from "./i18n.js";
import * as jobs from "./jobs.js";
import { contextSize } from "./models.js";
import { notifyEnd } from "./notice.js";
import { PromptView } from "./prompt_view.js";
import { queueText, waitingText } from "./queue_view.js";
import { Scroll } from "./scroll.js";

const CLOCK_MS = 250;

export class Chat {
  /** `changed()` is called when the list of conversations may look different. */
  constructor({ changed }) {
    this.changed = changed;
    this.conversation = conversations.create();
    this.views = [];
    this.failed = new Map(); // The last job of a conversation, where it has left nothing but an error.
    this.scroll = new Scroll();
    this.gauge = new ContextGauge();
    this.forgottenLine = el("li", { class: "forgotten" });
    this.composer = new Composer({
      send: (message) => this.ask(message),
      stop: () => this.stop(),
      queue: (message) => this.addNext(message),
      changed: (message) => conversations.keepDraft(this.draftId, message),
      waitingPictures: () => this.job?.next?.images.length ?? 0,
    });
    jobs.onJobs((job, event) => this.onJobEvent(job, event));
    conversations.onSavedElsewhere((id, isRemoved) => (isRemoved ? this.takeRemoved(id) : this.takeSaved(id)));
    onEngine(() => this.drawStatus());
    onLanguage(() => {
      this.views = []; // Every view has words of its own.
      this.show();
    });
    setInterval(() => this.job && this.drawStatus(), CLOCK_MS);
  }

  get job() {
    return jobs.jobOf(this.conversation.id);
  }

  get messages() {
    return conversations.path(this.conversation);
  }

  // The open conversation

  open(conversation) {
    hideError();
    this.conversation = conversation;
    if (conversation.unread) conversations.change(conversation.id, { unread: false }, conversation);
    this.composer.set(conversations.draftOf(this.draftId));
    this.show();
    this.scroll.toEnd();
    this.changed();
    const failed = this.failed.get(conversation.id);
    if (failed) showError(failed.error, this.remedyOf(failed));
  }

  /** Takes what another tab has added to a conversation in use, so that saving it here loses nothing of that. */
  takeSaved(id) {
    const job = jobs.jobOf(id);
    const isShown = id === this.conversation.id;
    const conversation = isShown ? this.conversation : job?.conversation;
    if (!conversation) return;
    conversations.takeSaved(conversation, job?.node);
    if (isShown) this.show();
  }

  /** An answer to a conversation that another tab has deleted ends; it would bring the conversation back. */
  takeRemoved(id) {
    const job = jobs.jobOf(id);
    if (!job) return;
    jobs.stop(job);
    conversations.discard(id);
    if (id === this.conversation.id) this.startNew();
    this.changed();
  }

  startNew() {
    this.open(conversations.create());
    this.composer.area.focus();
  }

  get draftId() {
    return this.conversation.nodes.length ? this.conversation.id : conversations.NEW;
  }

  // Actions of the user

  ask(message) {
    conversations.keepDraft(this.draftId, conversations.NO_MESSAGE);
    this.askBelow(this.messages.at(-1)?.id ?? "", message);
    // What is in the box beside a question that came from elsewhere stays with its conversation.
    conversations.keepDraft(this.draftId, this.composer.message);
  }

  askBelow(parent, message) {
    this.answer(addQuestion(this.conversation, parent, message));
  }

  /** The question in another version; what was there before stays, one step away. */
  edit(node, text) {
    this.stop();
    this.askBelow(node.parent, { text, images: node.images ?? [] });
  }

  /** Another version of the answer `node`; without one, an answer to the last question. */
  regenerate(node = null) {
    this.stop();
    const last = this.messages.at(-1);
    const parent = node?.parent ?? (last?.role === "assistant" ? last.parent : last?.id);
    const question = this.conversation.nodes.find(({ id }) => id === parent);
    if (question) this.answer(question);
  }

  continueAnswer(node) {
    this.stop();
    hideError();
    jobs.begin(this.conversation, node);
  }

  answer(question) {
    hideError();
    jobs.begin(this.conversation, addAnswer(this.conversation, question));
  }

  stop() {
    jobs.stop(this.job);
  }

  setNext(message) {
    this.job?.setNext(message);
    this.drawNext();
  }

  /** One message waits at a time: what is written after it is added to it. */
  addNext(message) {
    this.setNext(conversations.joinMessages(this.job?.next ?? conversations.NO_MESSAGE, message));
  }

  /** Shows the version of `node` that is `by` steps away. */
  step(node, by) {
    const all = conversations.versions(this.conversation, node.parent);
    const wanted = all[all.indexOf(node) + by];
    if (!wanted) return;
    hideError(); // What it offers is meant for the version that was shown.
    this.conversation.chosen[node.parent] = wanted.id;
    this.save();
    this.show();
  }

  /** Sends no more of the oldest turns than half of the context holds; false when there is nothing to leave out. */
  dropOldestTurns() {
    const sent = conversations.sentPath(this.conversation);
    const questions = sent.filter(({ role }) => role === "user");
    if (questions.length < 2) return false;
    const half = (contextSize() ?? 0) / 2;
    const all = tokensOf(sent);
    const first = questions.slice(1).find((node) => all - tokensOf(sent.slice(0, sent.indexOf(node))) <= half) ?? questions.at(-1);
    this.conversation.from = first.id;
    this.save();
    return true;
  }

  save() {
    if (!conversations.save(this.conversation)) showError({ code: "storage", message: "" });
    this.changed();
  }

  // Drawing

  show() {
    const shown = this.messages;
    const before = new Map(this.views.map((view) => [view.message, view]));
    this.views = shown.map((node) => this.viewOf(node, before.get(node)));
    const first = shown.findIndex(({ id }) => id === this.conversation.from);
    const nodes = this.views.map((view) => view.node);
    setText(this.forgottenLine, t("forgotten"));
    if (first > 0) nodes.splice(first, 0, this.forgottenLine);
    setChildren(byId("messages"), nodes);
    byId("welcome").hidden = shown.length > 0;
    setText(byId("chat-title"), this.conversation.title || t("title"));
    this.markNewest();
    // What is looked at first is drawn first.
    for (const view of this.answerViews.reverse()) view.draw();
    drawSlice();
    this.composer.setBusy(Boolean(this.job));
    this.drawNext();
    this.drawStatus();
  }

  /** The view of `node`: `before`, which it has already, while the versions beside it are the same. */
  viewOf(node, before) {
    const all = conversations.versions(this.conversation, node.parent);
    const versions = { at: all.indexOf(node) + 1, count: all.length, step: (by) => this.step(node, by) };
    const isSame = before?.versions.at === versions.at && before.versions.count === versions.count;
    const view = isSame ? before : this.makeView(node, versions);
    view.live = this.job?.node === node;
    return view;
  }

  makeView(node, versions) {
    if (node.role === "user") return new PromptView(node, { resend: (text) => this.edit(node, text), versions });
    return new AnswerView(node, { regenerate: () => this.regenerate(node), goOn: () => this.continueAnswer(node), versions });
  }

  get answerViews() {
    return this.views.filter((view) => view instanceof AnswerView);
  }

  markNewest() {
    const newest = this.answerViews.at(-1);
    for (const view of this.answerViews) view.setNewest(view === newest);
  }

  get liveView() {
    return this.views.find((view) => view.live);
  }

  drawNext() {
    const next = this.job?.next;
    byId("next").hidden = !next;
    byId("next").replaceChildren(...(next ? [el("span", {}, t("next", { text: conversations.titleOf(next.text) })),
      el("button", { type: "button", class: "link", click: () => this.takeNextBack() }, t("next_take_back"))] : []));
  }

  takeNextBack() {
    const { job } = this;
    if (!job?.next) return;
    this.makeDraft(job.conversation.id, job.next);
    this.setNext(null);
    this.composer.area.focus();
  }

  /** Puts a message that waited before the draft of the conversation `id`. */
  makeDraft(id, message) {
    const draft = conversations.joinMessages(message, conversations.draftOf(id));
    conversations.keepDraft(id, draft);
    if (id === this.conversation.id) this.composer.set(draft);
  }

  drawStatus() {
    const { job } = this;
    setText(byId("queue"), queueText(job));
    const rate = job ? job.meter.rate() : this.messages.at(-1)?.stats?.rate;
    setText(byId("speed"), rate ? t("speed", { rate: rate.toFixed(1) }) : "");
    this.gauge.draw(this.conversation, job);
    const view = this.liveView;
    if (!job || !view) return;
    view.waiting = waitingText(job);
    view.draw();
  }

  // Events of jobs

  onJobEvent(job, event) {
    const isShown = job.conversation === this.conversation || job.conversation.id === this.conversation.id;
    if (event === "begin") this.failed.delete(job.conversation.id);
    if (event === "end") this.onJobEnd(job, isShown);
    if (event === "begin" || event === "end") this.changed();
    if (!isShown) return;
    this.conversation = job.conversation;
    if (event === "begin" || event === "end") {
      this.show();
      if (event === "begin") this.scroll.toEnd();
      else this.scroll.follow();
    } else if (event === "next") {
      this.drawNext();
    } else if (event) {
      this.onPiece(job, event);
    } else if (job.isUnsaved) {
      showError({ code: "storage", message: "" });
    }
  }

  onPiece(job, { kind, text }) {
    if (job.meter.count === 1) announce(t(kind === "reasoning" ? "thinking_begins" : "answer_begins"));
    if (kind === "content") announcePiece(text);
    this.liveView?.draw();
  }

  onJobEnd(job, isShown) {
    const { finish } = job.node;
    const isDone = finish === "stop" || finish === "length";
    if (!job.conversation.nodes.includes(job.node)) this.failed.set(job.conversation.id, job);
    if (isShown) {
      announceEnd(finish === "stop" ? t("answer_done") : "");
      if (job.error && finish !== "lost") showError(job.error, this.remedyOf(job));
      if (job.isUnsaved) showError({ code: "storage", message: "" });
    }
    if (!isShown || document.hidden) {
      if (finish !== "stopped") notifyEnd(job.conversation.title, isDone, job.node.id);
      if (!isShown) conversations.change(job.conversation.id, { unread: true }, job.conversation);
    }
    if (!job.next) return;
    if (isDone) sendNext(job);
    else this.makeDraft(job.conversation.id, job.next); // After a failure it is where it can be changed.
  }

  /** What the error's button does: try again, or go on without the oldest turns where trying again cannot help. */
  remedyOf(job) {
    const again = () => this.regenerate(job.node.content ? job.node : null);
    if (job.error.code !== "context_length_exceeded") return { action: again };
    const questions = conversations.sentPath(job.conversation).filter(({ role }) => role === "user");
    if (questions.length < 2) return null;
    return { word: "forget_oldest", action: () => this.dropOldestTurns() && again() };
  }
}

function addQuestion(conversation, parent, { text, images }) {
  return conversations.addNode(conversation, parent, { role: "user", content: text, ...(images.length ? { images } : {}) });
}

function addAnswer(conversation, question) {
  return conversations.addNode(conversation, question.id, { role: "assistant", content: "", reasoning: "", reasoning_s: 0, finish: "reload", stats: null });
}

/** Sends the message that waited for the end of an answer. */
function sendNext({ conversation, node, next }) {
  for (const { id, parent } of conversations.pathTo(conversation, node)) conversation.chosen[parent] = id; // It is seen.
  const answer = addAnswer(conversation, addQuestion(conversation, node.id, next));
  setTimeout(() => jobs.begin(conversation, answer));
}

/** Questions to begin with, in the language of the page. */
export function drawSuggestions(chat) {
  const idea = (key) => el("li", {}, el("button", { type: "button", class: "idea", click: () => chat.ask({ text: t(key), images: [] }) }, t(key)));
  const draw = () => byId("ideas").replaceChildren(...["idea_1", "idea_2", "idea_3"].map(idea));
  onLanguage(draw);
}
