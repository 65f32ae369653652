// How other programs reach this board: exact settings with copy buttons, Chatbox's import link, a QR code of the address.

import { callJson } from "./api.js";
import { codeBlock, copyButton } from "./code.js";
import { el } from "./dom.js";
import { engineStatus } from "./engine.js";
import { showError } from "./errors.js";
import { t } from "./i18n.js";
import { chosenModel, withoutThinkVariants } from "./models.js";
import { read } from "./store.js";

const LOCAL_URL = /^https?:\/\/(localhost|127\.|\[::1\])/;

export async function drawConnect(section) {
  try {
    const facts = await callJson("/v1/connect");
    const address = preferredAddress(facts);
    drawAddress(section, facts, address);
  } catch (error) {
    section.replaceChildren();
    showError(error);
  }
}

/** The address in use, which is known to work, unless it works on this machine alone and another one does not. */
function preferredAddress({ here, addresses }) {
  if (!LOCAL_URL.test(here)) return here;
  return addresses.find(({ url }) => !LOCAL_URL.test(url))?.url ?? here;
}

function drawAddress(section, facts, address) {
  const [model] = facts.models.filter(({ id }) => id === chosenModel()).concat(facts.models, { id: chosenModel() });
  const key = read("key", "") || "any";
  const models = [model, ...withoutThinkVariants(facts.models).filter(({ id }) => id !== model.id)];
  const settings = { address, model, models, key, base: `${address}/v1` };
  section.replaceChildren(
    el("p", { class: "hint" }, t("connect_lead")),
    addressPart(section, facts, settings),
    card("chatbox", chatboxCard(settings)),
    card("openclaw", [codeBlock(openclawConfig(settings), "json")]),
    card("openwebui", [el("p", { class: "hint" }, t("openwebui_more")), settingRow("url", settings.base), settingRow("connect_key", key)]),
    card("curl", [codeBlock(curlCommand(settings), "sh")]));
}

const card = (key, children) => el("section", { class: "card" }, el("h3", {}, t(key)), children);

function settingRow(key, value, shown = value) {
  return el("div", { class: "setting" }, el("span", { class: "name" }, t(key)), el("code", {}, shown), copyButton(() => value));
}

function addressPart(section, facts, { address, base, model }) {
  const twin = facts.models.find(({ id }) => id === `${model.id}-think`);
  const reachable = facts.addresses.filter(({ url }) => !LOCAL_URL.test(url));
  const { url: scanned, qr } = facts.addresses.find(({ url }) => url === address && !LOCAL_URL.test(url)) ?? reachable[0] ?? facts.addresses[0] ?? {};
  const others = facts.addresses.length > 1
    ? el("select", { "aria-label": t("connect_address"), change: (event) => drawAddress(section, facts, event.target.value) },
      facts.addresses.map(({ url }) => el("option", { value: url, selected: url === address }, url)))
    : null;
  return el("section", { class: "card" },
    others,
    settingRow("connect_address", base),
    settingRow("connect_model", model.id),
    twin ? settingRow("connect_thinking_model", twin.id) : null,
    settingRow("connect_key", read("key", "") || "any", read("key", "") ? "••••••" : t("connect_any_key")),
    LOCAL_URL.test(address) && !reachable.length ? el("p", { class: "note" }, t("local_only")) : null,
    LOCAL_URL.test(facts.here) && reachable.length
      ? el("div", { class: "network" }, el("span", { class: "name" }, t("connect_network")), el("ul", {}, reachable.map(({ url }) => el("li", {}, el("code", {}, url), copyButton(() => url)))))
      : null,
    qr ? el("figure", { class: "qr" }, el("img", { src: qr, alt: `QR: ${scanned}`, width: "148", height: "148" }), el("figcaption", {}, t("scan"))) : null);
}

function chatboxCard({ model, models, key, base }) {
  return [
    el("p", {}, el("a", { class: "primary", href: chatboxLink({ base, models, key }) }, t("add_chatbox"))),
    el("p", { class: "hint" }, t("chatbox_more")),
    settingRow("host", base),
    settingRow("connect_key", key),
    settingRow("connect_model", model.id),
  ];
}

const chatboxCapabilities = (known) => [known.includes("thinking") && "reasoning", "tool_use", known.includes("vision") && "vision"].filter(Boolean);

/** Chatbox opens `chatbox://provider/import?config=` with base64 of the UTF-8 JSON. */
export function chatboxLink({ base, models, key }) {
  const config = {
    isCustom: true,
    id: "rdk-bpu",
    name: engineStatus.engine?.simulated ? "RDK BPU (simulator)" : engineStatus.engine?.cpu ? "RDK BPU (this computer)" : "RDK BPU",
    type: "openai",
    settings: {
      apiHost: base,
      apiKey: key,
      models: models.map(({ id, context_length: context = 4096, capabilities = [] }) => (
        { modelId: id, nickname: id, type: "chat", capabilities: chatboxCapabilities(capabilities), contextWindow: context, maxOutput: Math.floor(context / 2) })),
    },
  };
  const bytes = new TextEncoder().encode(JSON.stringify(config));
  return `chatbox://provider/import?config=${encodeURIComponent(btoa(String.fromCharCode(...bytes)))}`;
}

function openclawConfig({ base, model, models, key }) {
  const entries = models.map(({ id, context_length: context = 4096, capabilities = [] }) => ({
    id, name: id, reasoning: capabilities.includes("thinking"), input: capabilities.includes("vision") ? ["text", "image"] : ["text"], contextWindow: context, maxTokens: 1024,
    compat: { supportsTools: false, requiresStringContent: true, maxTokensField: "max_tokens", supportsUsageInStreaming: true },
  }));
  const config = {
    agents: { defaults: { skipBootstrap: true, contextInjection: "never", skills: [], model: { primary: `bpu/${model.id}` } } },
    models: { providers: { bpu: { baseUrl: base, apiKey: key, api: "openai-completions", models: entries } } },
    tools: { toolSearch: false },
  };
  return JSON.stringify(config, null, 2);
}

function curlCommand({ base, model, key }) {
  const body = JSON.stringify({ model: model.id, stream: true, messages: [{ role: "user", content: t("idea_1") }] }).replaceAll("'", "'\\''");
  return `curl -N ${base}/chat/completions \\\n  -H 'Content-Type: application/json' \\\n  -H 'Authorization: Bearer ${key}' \\\n  -d '${body}'`;
}
