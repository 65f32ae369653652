// The conversations of this browser: an index and one record each, so that saving one never rewrites the others.
//
// A conversation is a tree, because an edited question or a repeated answer keeps what was there before. `nodes` holds
// {id, parent, role, content, at} and, for an answer, {reasoning, reasoning_s, finish, stats, error, job, resume}; `chosen`
// names the child that is shown below each node ("" is the beginning). `from` is the first node that is still sent.
// Several tabs may have one conversation: of each node the one that was changed last, by its time `at`, is kept.
// A question with pictures has `images`: {id, alt} of each; `pictures.js` keeps them. A message that is not sent yet, a
// draft or `next` of an answer under way, is {text, images}.

import * as pictures from "./pictures.js";
import { onOtherTabChange, read, remove, storedSize, write } from "./store.js";

const INDEX = "conversations";
const MAX_TITLE_LENGTH = 48;
const MAX_TEXT_LENGTH = 400000;
const recordKey = (id) => `conversation.${id}`;
const draftKey = (id) => `draft.${id}`;
/** Stands for the id of a conversation that has no message yet. */
export const NEW = "new";
export const NO_MESSAGE = Object.freeze({ text: "", images: [] });

/** `{id, title, created, updated, pinned, unread}` of all: pinned ones first, then the latest first. */
export const list = () => read(INDEX, []).sort((one, other) => (other.pinned ?? 0) - (one.pinned ?? 0) || other.updated - one.updated);

export function create() {
  const now = Date.now();
  return { id: newId(), title: "", created: now, updated: now, pinned: false, settings: {}, nodes: [], chosen: {}, from: "" };
}

export function load(id) {
  const found = read(recordKey(id));
  return found && upgradeRecord(found);
}

/** False when the browser could not keep it. An empty conversation is not worth keeping. */
export function save(conversation) {
  if (!conversation.nodes.length) return true;
  if (!conversation.named) conversation.title ||= titleOf(path(conversation)[0].content);
  const { id, title, created, updated, pinned, unread } = conversation;
  const others = list().filter((entry) => entry.id !== id);
  searchTexts.delete(id);
  const kept = write(recordKey(id), withSaved(conversation, load(id)));
  return write(INDEX, [{ id, title, created, updated, pinned, unread }, ...others]) && kept;
}

/** Changes the record and its line in the index alike; `live` is the object in use, if there is one. */
export function change(id, changes, live = null) {
  const conversation = live ?? load(id);
  if (conversation) save(Object.assign(conversation, changes));
}

export function touch(conversation) {
  conversation.updated = Date.now();
}

/** Removes it with its draft, and returns both for `restore`; null when there is none. */
export function discard(id) {
  const [conversation, draft] = [load(id), draftOf(id)];
  write(INDEX, list().filter((entry) => entry.id !== id));
  remove(recordKey(id));
  remove(draftKey(id));
  return conversation && { conversation, draft };
}

export const discardAll = () => list().map(({ id }) => discard(id)).filter(Boolean);

export function restore({ conversation, draft }) {
  keepDraft(conversation.id, draft);
  save(conversation);
}

export const onChangeElsewhere = (listener) => onOtherTabChange((name) => name === INDEX && listener());

/** `listener(id, isRemoved)` when another tab has saved or deleted the conversation `id`. */
export const onSavedElsewhere = (listener) => onOtherTabChange((name, isRemoved) => name.startsWith(recordKey("")) && listener(name.slice(recordKey("").length), isRemoved));

/** The record of `conversation` with what only another tab has saved of it. */
function withSaved(conversation, saved) {
  const others = nodesById(saved?.nodes ?? []);
  const nodes = conversation.nodes.map((node) => (isNewer(others.get(node.id), node) ? others.get(node.id) : node));
  const own = nodesById(conversation.nodes);
  const rest = [...others.values()].filter(({ id }) => !own.has(id) && !removedIds.has(id));
  return rest.length ? { ...conversation, nodes: [...nodes, ...rest], chosen: { ...saved.chosen, ...conversation.chosen } } : { ...conversation, nodes };
}

/**
 * Puts into `conversation`, the object in use, what another tab has saved; `live` is the node of an answer under way here.
 * Another tab's answer under way is not shown: its end is another save.
 */
export function takeSaved(conversation, live) {
  const saved = load(conversation.id);
  const own = nodesById(conversation.nodes);
  const isUnderWay = ({ id, finish }) => finish === "reload" && own.get(id)?.finish !== "reload";
  if (!saved || (!live && saved.nodes.some(isUnderWay))) return;
  const taken = saved.nodes.filter((node) => !isUnderWay(node) && !removedIds.has(node.id));
  for (const node of taken) {
    const known = own.get(node.id);
    if (known && known !== live && isNewer(node, known)) replaceFields(known, node);
  }
  const nodes = [...conversation.nodes, ...taken.filter(({ id }) => !own.has(id))];
  if (live) Object.assign(conversation, { nodes, chosen: { ...saved.chosen, ...conversation.chosen } });
  else Object.assign(conversation, saved, { nodes });
}

const removedIds = new Set();
const nodesById = (nodes) => new Map(nodes.map((node) => [node.id, node]));
const isNewer = (one, other) => (one?.at ?? 0) > (other.at ?? 0);

function replaceFields(node, fields) {
  for (const name of Object.keys(node)) if (!(name in fields)) delete node[name];
  return Object.assign(node, fields);
}

/** The bytes that conversations take of this browser's storage. */
export const storedBytes = () => storedSize("conversation");

/** The ids of the conversations whose title or text has `words` in it. */
export function search(words) {
  const wanted = words.trim().toLowerCase();
  return list().filter(({ id, title, updated }) => title.toLowerCase().includes(wanted) || textOf(id, updated).includes(wanted)).map(({ id }) => id);
}

const searchTexts = new Map();

function textOf(id, updated) {
  const kept = searchTexts.get(id);
  if (kept?.updated === updated) return kept.text;
  const text = (load(id)?.nodes ?? []).map(({ content }) => content).join("\n").toLowerCase();
  searchTexts.set(id, { updated, text });
  return text;
}

// Messages that are not sent yet

export const draftOf = (id) => messageOf(read(draftKey(id)));

export function keepDraft(id, draft) {
  if (draft.text || draft.images.length) write(draftKey(id), draft);
  else remove(draftKey(id));
}

/** A message as it was kept: earlier editions of the page kept its text alone. */
export const messageOf = (kept) => (typeof kept === "string" ? { text: kept, images: [] } : kept ?? NO_MESSAGE);

export const joinMessages = (first, second) => ({
  text: [first.text, second.text].filter(Boolean).join("\n\n"),
  images: [...first.images, ...second.images],
});

// Pictures

/** Keeps the picture at the data URL `url`, and returns what a message holds of it. */
export function keepPicture(url) {
  const id = newId();
  pictures.keep(id, url);
  return { id, alt: "" };
}

/** The question as parts with its pictures, its plain words for a model that does not see. A lost picture is named. */
export async function partsOf({ content, images = [] }, isSeen) {
  const urls = await Promise.all(images.map(({ id }) => (isSeen ? pictures.find(id) : "")));
  const parts = urls.map((url) => (url ? { type: "image_url", image_url: { url } } : { type: "text", text: "[image]" }));
  const text = { type: "text", text: content };
  return urls.some(Boolean) ? [...parts, text] : [...parts, text].map((part) => part.text).join("\n");
}

/** Removes the pictures that no conversation and no draft has. */
export function sweepPictures() {
  const ids = list().map(({ id }) => id);
  const nodes = ids.flatMap((id) => load(id)?.nodes ?? []);
  const waiting = [...[...ids, NEW].map(draftOf), ...nodes.map(({ next }) => messageOf(next))];
  return pictures.sweep([...nodes, ...waiting].flatMap(({ images = [] }) => images.map(({ id }) => id)));
}

// The tree

export function addNode(conversation, parent, node) {
  const added = { id: newId(), parent, at: Date.now(), ...node };
  conversation.nodes.push(added);
  conversation.chosen[parent] = added.id;
  return added;
}

export function removeNode(conversation, node) {
  removedIds.add(node.id);
  conversation.nodes = conversation.nodes.filter((other) => other !== node);
  const rest = versions(conversation, node.parent);
  if (rest.length) conversation.chosen[node.parent] = rest.at(-1).id;
  else delete conversation.chosen[node.parent];
}

/** The nodes that stand in the same place: versions of one question or one answer. */
export const versions = (conversation, parent) => conversation.nodes.filter((node) => node.parent === parent);

/** What is shown: from the beginning down, the chosen version each time. */
export function path(conversation) {
  const below = new Map();
  for (const node of conversation.nodes) below.set(node.parent, [...(below.get(node.parent) ?? []), node]);
  const shown = [];
  for (let at = ""; below.has(at) && shown.length < conversation.nodes.length; at = shown.at(-1).id) {
    const found = below.get(at);
    shown.push(found.find(({ id }) => id === conversation.chosen[at]) ?? found.at(-1));
  }
  return shown;
}

/** The nodes from the beginning down to `node`, whichever versions are shown. */
export function pathTo(conversation, node) {
  const known = nodesById(conversation.nodes);
  const found = [];
  for (let at = node; at; at = known.get(at.parent)) found.unshift(at);
  return found;
}

/** The part of `nodes`, of the path that is shown by default, that is sent to the model. */
export function sentPath(conversation, nodes = path(conversation)) {
  const first = nodes.findIndex(({ id }) => id === conversation.from);
  return first > 0 ? nodes.slice(first) : nodes;
}

// Files

/** What is written to a file: what is shown as `messages`, and all versions beside it. */
export function exportConversation(conversation) {
  const { title, created, updated, settings, nodes, chosen, from } = conversation;
  const messages = path(conversation).map(({ role, content, reasoning }) => ({ role, content, ...(reasoning ? { reasoning } : {}) }));
  const kept = nodes.map(({ resume, job, images, next, ...node }) => node);
  return { format: "bpu-conversation", version: 2, title, created, updated, messages, settings, nodes: kept, chosen, from };
}

/** The conversation in an exported file, or null. Every field of the file is validated. */
export function importConversation(data) {
  const given = data && typeof data === "object" ? (Array.isArray(data.nodes) ? data.nodes : linkMessages(data.messages)) : null;
  if (!given) return null;
  const conversation = { ...create(), title: validText(data.title).slice(0, 200), named: true, created: validDate(data.created), settings: validSettings(data.settings) };
  const names = new Map();
  for (const node of given.slice(0, 5000)) {
    const parent = names.get(node?.parent) ?? "";
    const isKnown = ["user", "assistant"].includes(node?.role);
    // What follows a node that is no message follows the one before it.
    if (node) names.set(node.id, isKnown ? addNode(conversation, parent, validNode(node)).id : parent);
  }
  conversation.chosen = {};
  for (const [parent, child] of Object.entries(data.chosen ?? {})) {
    if (names.get(child)) conversation.chosen[names.get(parent) ?? ""] = names.get(child);
  }
  conversation.from = names.get(data.from) ?? "";
  return conversation.nodes.length ? conversation : null;
}

function validNode({ role, content, reasoning, reasoning_s: seconds, finish, stats }) {
  if (role === "user") return { role, content: validText(content) };
  const figures = stats && typeof stats === "object" ? Object.fromEntries(Object.entries(stats).filter(([, value]) => Number.isFinite(value) && value >= 0)) : null;
  return { role, content: validText(content), reasoning: validText(reasoning), reasoning_s: Number.isFinite(seconds) ? seconds : 0, finish: validText(finish, "stop").slice(0, 20), stats: figures };
}

function validSettings(settings) {
  const { system, max_tokens: limit } = settings && typeof settings === "object" ? settings : {};
  return { ...(validText(system) ? { system: validText(system) } : {}), ...(Number.isInteger(limit) && limit > 0 ? { max_tokens: limit } : {}) };
}

const validText = (value, fallback = "") => (typeof value === "string" ? value.slice(0, MAX_TEXT_LENGTH) : fallback);
const validDate = (value) => (Number.isFinite(value) && value > 0 ? value : Date.now());

/** The nodes of a plain list of messages. */
function linkMessages(messages) {
  if (!Array.isArray(messages)) return null;
  return messages.map((message, index) => ({ ...message, id: `n${index}`, parent: index ? `n${index - 1}` : "" }));
}

/** A record of the page's first edition, which was a list of messages. */
function upgradeRecord(found) {
  if (Array.isArray(found.nodes)) return found;
  const { messages = [], ...rest } = found;
  return { ...create(), ...rest, nodes: linkMessages(messages), chosen: {} };
}

export function titleOf(content) {
  const line = content.trim().split("\n")[0];
  const letters = [...line];
  return letters.length > MAX_TITLE_LENGTH ? `${letters.slice(0, MAX_TITLE_LENGTH - 1).join("")}…` : line;
}

/** `crypto.randomUUID` exists only on https and localhost, and a board is neither. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
