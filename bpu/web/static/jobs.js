// The answers under way: each belongs to a conversation, and goes on when another one is opened or the page is hidden.
// The gateway is asked to keep an answer for a while when its reader leaves, so that a reload finds it again.

import { ApiError, call } from "./api.js";
import { complete, resumeCompletion } from "./completion.js";
import * as conversations from "./conversations.js";
import { engineStatus, onEngine, queuePlaceOf } from "./engine.js";
import { seesImages, waitForModels } from "./models.js";
import { requestOf } from "./settings.js";
import { SpeedMeter } from "./speed_view.js";
import { read, write } from "./store.js";

const MAX_CONCURRENT = 3; // A browser opens six connections to one host, and the page needs some for itself.
const SAVE_EVERY_MS = 1000;
const RESUME_AFTER_MS = [0, 1000, 3000, 8000, 18000]; // A phone's network comes back some seconds after the page does.
const LEAVING_MS = 1500; // A link to another program says "leaving" too, and then the page stays.
const UNFINISHED = "unfinished";

const jobs = new Map();
const listeners = new Set();
let leavingAt = -Infinity;

/** `listener(job, event)` with the event "begin", "next", the kind of a piece, "end", or null for a change that is worth a look. */
export const onJobs = (listener) => listeners.add(listener);

/** The job whose answer belongs to the conversation `id`, or undefined. */
export const jobOf = (id) => jobs.get(id);

/** The conversation `id`: the object in use while an answer to it is under way, here or in another tab, else what is kept. */
export function conversationOf(id) {
  if (jobs.has(id)) return jobs.get(id).conversation;
  const conversation = conversations.load(id);
  const node = conversation?.nodes.find(({ finish, resume }) => finish === "reload" && resume);
  if (node) resume(conversation, node);
  return conversation;
}

/** Whether the engine's job `id` is one that this page has asked for. */
export const isOwn = (id) => [...jobs.values()].some((job) => job.id && (job.id === id || job.id.endsWith(id) || id.endsWith(job.id)));

const notify = (job, event = null) => listeners.forEach((listener) => listener(job, event));

class Job {
  /** `node` is the answer's node; it is empty, or holds the part that is to be continued. */
  constructor(conversation, node) {
    Object.assign(this, { conversation, node, id: "", meter: new SpeedMeter(), abort: new AbortController() });
    this.isHeld = false;
    this.isStopped = false;
    this.savedAt = 0;
    this.claim = 0; // A tab that has resumed the answer has a higher one, see below.
    this.hasOwnNext = false; // Whether the message that waits was written in this tab.
    this.takeNext();
  }

  /** The message that waits for the end of this answer; it is kept with the answer, so that a reload does not lose it. */
  setNext(message) {
    this.next = this.node.next = message;
    this.hasOwnNext = true;
    postClaim(this);
    saveUnfinished();
    this.save();
  }

  /** Takes the message that was kept with the answer. */
  takeNext() {
    this.next = this.node.next ? conversations.messageOf(this.node.next) : null;
  }

  get isActive() {
    return jobs.get(this.conversation.id) === this;
  }

  save() {
    this.savedAt = this.node.at = Date.now();
    this.isUnsaved = !conversations.save(this.conversation);
    notify(this);
  }
}

/** Asks for the answer `node`, which stands at the end of the path of `conversation`. */
export function begin(conversation, node) {
  if (node.content) node.before = node.content; // It is continued: what is there stays.
  delete node.resume;
  const job = new Job(conversation, node);
  register(job);
  run(job, () => ask(job));
  return job;
}

async function* ask(job) {
  await waitForModels();
  const isContinued = Boolean(job.node.content);
  const nodes = conversations.pathTo(job.conversation, job.node);
  const messages = conversations.sentPath(job.conversation, nodes).filter((node) => isContinued || node !== job.node);
  const isSeen = seesImages();
  const withPictures = messages.map(async (node) => (node.images ? { ...node, content: await conversations.partsOf(node, isSeen) } : node));
  yield* complete(requestOf(await Promise.all(withPictures), job.conversation), job.abort.signal);
}

function register(job) {
  jobs.set(job.conversation.id, job);
  job.node.finish = "reload"; // What is true of the record until the end has come.
  conversations.touch(job.conversation);
  job.save();
  notify(job, "begin");
}

async function run(job, open) {
  try {
    await waitForSlot(job);
    if (job.isStopped) return;
    for await (const event of wholeAnswer(job, open)) {
      if (event.kind === "accepted") onAccepted(job, event);
      else if (job.isActive) applyEvent(job, event);
    }
  } catch (error) {
    recordFailure(job, error);
  } finally {
    if (job.isActive) end(job);
  }
}

/** The events of an answer. One whose connection breaks is taken up again, because the gateway goes on with it. */
async function* wholeAnswer(job, open) {
  const broken = yield* untilBroken(open());
  for (const pause of RESUME_AFTER_MS) {
    if (!broken || !job.node.resume || isLeaving()) break;
    job.isResumed = true;
    job.meter.begin();
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (!job.isActive) break;
    const again = yield* untilBroken(resumed(job), "answer_not_kept");
    if (!again) return;
    if (again.code === "answer_not_kept") break;
  }
  if (broken) throw broken;
}

/** Yields `events`; returns the error of a connection that has broken, or one with the code `other`. */
async function* untilBroken(events, other) {
  try {
    yield* events;
  } catch (error) {
    if (["cut", "network", other].includes(error.code)) return error;
    throw error;
  }
}

/** Waits until one of the connections that the browser allows is free. */
async function waitForSlot(job) {
  const ahead = () => [...jobs.values()].filter((other) => other !== job && !other.isHeld).length;
  job.isHeld = true;
  while (ahead() >= MAX_CONCURRENT && !job.isStopped) await new Promise((resolve) => (job.release = resolve));
  job.isHeld = false;
  job.meter.begin();
}

function onAccepted(job, { id, token }) {
  job.id = id;
  if (job.isStopped) {
    cancel(job); // It was stopped before the gateway had given it a name.
    return;
  }
  Object.assign(job.node, { job: id, resume: token });
  saveUnfinished();
  job.save();
}

function applyEvent(job, event) {
  const { node, meter } = job;
  job.id = event.id || job.id;
  if (event.kind === "reasoning" || event.kind === "content") {
    meter.countToken();
    node[event.kind] = appendText(node[event.kind] ?? "", event.text, event.kind === "content" && node.content === node.before);
    if (event.kind === "reasoning") node.reasoning_s = meter.age() - meter.firstAfter;
    notify(job, event);
  }
  if (event.kind === "figures") node.stats = meter.stats(event.usage, event.timings);
  if (event.kind === "finish") node.finish = event.reason;
  if (Date.now() - job.savedAt > SAVE_EVERY_MS) job.save();
}

/** Two Latin words do not run together where an answer is continued. */
const appendText = (before, text, isContinued) => before + (isContinued && /[A-Za-z0-9]$/.test(before) && /^[A-Za-z0-9]/.test(text) ? " " : "") + text;

function recordFailure(job, error) {
  if (isLeaving() || !job.isActive) return;
  const { node } = job;
  if (error.name === "AbortError") {
    node.finish = "stopped";
    return;
  }
  if (!(error instanceof ApiError)) throw error;
  node.finish = error.code === "cut" ? "cut" : error.code === "answer_not_kept" ? "lost" : "error";
  node.error = { code: error.code, message: error.message };
  job.error = error;
}

function end(job) {
  if (isLeaving()) {
    setTimeout(() => job.isActive && end(job), LEAVING_MS); // The page is going, and what is kept says so; unless it stays.
    return;
  }
  const { conversation, node, meter } = job;
  if (node.finish === "reload") node.finish = "cut";
  if (meter.firstAfter !== null) node.stats ??= meter.stats();
  for (const name of ["resume", "before", "next"]) delete node[name];
  jobs.delete(conversation.id);
  const isEmpty = !node.content && !node.reasoning;
  if (isEmpty && job.error && node.finish === "error") conversations.removeNode(conversation, node);
  saveUnfinished(node);
  job.save();
  for (const other of jobs.values()) other.release?.();
  notify(job, "end");
}

/** Ends the answer; what has come of it stays. The BPU is free at once, because the gateway is told. */
export function stop(job) {
  if (!job?.isActive) return;
  job.isStopped = true;
  job.release?.();
  job.node.finish = "stopped";
  if (job.id) cancel(job);
  end(job);
}

async function cancel(job) {
  try {
    await call(`/v1/jobs/${encodeURIComponent(job.id)}/cancel`, { method: "POST", body: {} });
  } catch {
    // It is over already, or the gateway is away; either way nothing is left to end.
  } finally {
    job.abort.abort();
  }
}

// A reload

/** The answers that the gateway may still have, and those that a message waits for, for the next load of the page. */
function saveUnfinished(ended = null) {
  const own = [...jobs.values()].filter(({ node }) => node.resume || node.next).map(({ conversation, node }) => [conversation.id, node.id]);
  const known = new Set([ended?.id, ...own.map(([, id]) => id)]);
  write(UNFINISHED, [...read(UNFINISHED, []).filter(([, id]) => !known.has(id)), ...own]); // Those of other tabs stay.
}

/** The message that waited for an answer that nothing brings back is a draft again. */
function keepNextAsDraft(conversation, node) {
  const { id } = conversation;
  conversations.keepDraft(id, conversations.joinMessages(conversations.messageOf(node.next), conversations.draftOf(id)));
  delete node.next;
  node.at = Date.now();
  conversations.save(conversation);
}

/** Resumes the answers that were under way when the page was left. */
export function resumeAll() {
  const unfinished = read(UNFINISHED, []);
  write(UNFINISHED, []);
  for (const [id, nodeId] of unfinished) {
    const conversation = conversations.load(id);
    const node = conversation?.nodes.find((other) => other.id === nodeId);
    if (node?.finish === "reload" && node.resume) resume(conversation, node);
    else if (node?.next) keepNextAsDraft(conversation, node);
  }
}

function resume(conversation, node) {
  const job = new Job(conversation, node);
  job.id = node.job;
  job.isResumed = true;
  job.claim = Math.random();
  register(job);
  postClaim(job);
  saveUnfinished();
  run(job, () => resumed(job));
}

/** The gateway sends the whole answer again: the part that is kept is cleared, and comes back where that breaks before it. */
async function* resumed({ node, abort }) {
  const { content, reasoning, resume: token } = node;
  try {
    for await (const event of resumeCompletion(token, abort.signal)) {
      if (event.kind === "accepted") Object.assign(node, { content: node.before ?? "", reasoning: "" });
      yield event.kind === "accepted" ? { ...event, token, id: node.job ?? "" } : event;
    }
  } catch (error) {
    if (node.content.length < content.length) Object.assign(node, { content, reasoning });
    throw error;
  }
}

// Several tabs may read one answer: one that is opened meanwhile resumes it. Each sends what was written in it. A message that
// was kept with the answer is sent by the tab with the lowest claim: the one that began the answer, else one that resumed it.

const claims = openChannel("bpu.claims");

function openChannel(name) {
  try {
    return new BroadcastChannel(name);
  } catch {
    return { addEventListener() {}, postMessage() {}, close() {} }; // Without storage each tab stands alone.
  }
}

const postClaim = ({ node, claim, next, hasOwnNext }) => claims.postMessage({ id: node.id, claim, next, hasOwnNext });

claims.addEventListener("message", ({ data: { id, claim, next, hasOwnNext } }) => {
  const job = [...jobs.values()].find(({ node }) => node.id === id);
  if (!job) return;
  if (claim === Infinity) takeLeft(job, next, hasOwnNext);
  if (!job.hasOwnNext && claim < job.claim) [job.node.next, job.next] = [next ?? undefined, null];
  if (claim > job.claim) postClaim(job);
  notify(job, "next");
});

/** Takes the message of a tab that is gone. One that was written in it goes with the one that was written here. */
function takeLeft(job, next, wasWrittenThere) {
  if (!job.hasOwnNext) {
    job.node.next = next ?? job.node.next;
    job.takeNext();
  } else if (next && wasWrittenThere) {
    job.setNext(conversations.joinMessages(conversations.messageOf(job.next), conversations.messageOf(next)));
  }
}

const isLeaving = () => performance.now() - leavingAt < LEAVING_MS;

export function prepareJobs() {
  addEventListener("beforeunload", () => (leavingAt = performance.now()));
  addEventListener("pagehide", () => {
    leavingAt = performance.now();
    for (const job of jobs.values()) {
      job.save();
      postClaim({ ...job, claim: Infinity });
      if (!job.node.resume) job.abort.abort(); // It cannot be resumed.
    }
    claims.close(); // A tab that goes claims nothing any more.
  });
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  onEngine(() => {
    if (engineStatus.link !== "online") return;
    for (const job of jobs.values()) {
      const phase = queuePlaceOf(job.id)?.phase;
      if (phase === "prefill" || phase === "decode") job.meter.endWait();
    }
  });
}
