// What a person sets: the system prompt, the longest answer, thinking, model, key, looks; and the request it makes.

import { storedBytes, titleOf } from "./conversations.js";
import { byId, el, setIcon } from "./dom.js";
import { reconnect } from "./engine.js";
import { formatBytes, language, onLanguage, setLanguage, t } from "./i18n.js";
import { chooseModel, chosenModel, modelIds, onModels } from "./models.js";
import { canNotify, notificationsEnabled, setNotifications } from "./notice.js";
import { read, write } from "./store.js";

const THEMES = ["auto", "light", "dark"];
const BUILT_IN_PROMPTS = ["brief", "teacher", "translator", "programmer"];
const MAX_PROMPTS = 30;
const STORAGE_LIMIT = 10 * 2 ** 20; // What browsers give one site, two bytes for each character.

/** The body of a chat request for `messages`; the thinking of earlier answers is not sent back. */
export function requestOf(messages, { settings }) {
  const system = (settings.system ?? read("system", "")).trim();
  const spoken = messages.filter(({ content }) => content).map(({ role, content }) => ({ role, content }));
  const limit = settings.max_tokens ?? read("max_tokens", null);
  return {
    model: chosenModel(),
    messages: system ? [{ role: "system", content: system }, ...spoken] : spoken,
    ...(limit ? { max_tokens: limit } : {}),
    ...(read("think", true) ? {} : { chat_template_kwargs: { enable_thinking: false } }),
  };
}

export function prepareSettings() {
  prepareThink();
  prepareTheme();
  byId("language").addEventListener("click", () => setLanguage(language() === "zh" ? "en" : "zh"));
  onLanguage(() => {
    byId("language").textContent = language() === "zh" ? "English" : "中文";
    byId("language").lang = language() === "zh" ? "en" : "zh-CN";
  });
}

function prepareThink() {
  const button = byId("think");
  const draw = () => {
    const on = read("think", true);
    button.setAttribute("aria-pressed", String(on));
    button.title = t(on ? "think_on" : "think_off");
  };
  button.addEventListener("click", () => {
    write("think", !read("think", true));
    draw();
  });
  onLanguage(draw);
}

function prepareTheme() {
  byId("theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(read("theme", "auto")) + 1) % THEMES.length]));
  onLanguage(() => setTheme(read("theme", "auto")));
}

function setTheme(theme) {
  write("theme", theme);
  const root = document.documentElement;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  setIcon(byId("theme"), { auto: "auto", light: "sun", dark: "moon" }[theme]);
  byId("theme").title = `${t("theme")}: ${t(`theme_${theme}`)}`;
  const select = byId("set-theme");
  if (select) select.value = theme;
}

/** The panel, built anew when it is opened, the conversation or the language changes. */
export function drawSettings(section, { deleteAll, conversation, save }) {
  section.replaceChildren(
    el("h3", {}, t("chat_settings")),
    field("set-system", "system_prompt", el("textarea", { rows: "4", placeholder: t("system_hint") }), "system", ""),
    field("set-max-tokens", "max_tokens", numberInput("max_tokens_hint"), "max_tokens", "", toCount),
    modelField(),
    el("h3", {}, t("this_conversation")),
    ...conversationFields(conversation, save),
    el("h3", {}, t("access")),
    keyField(),
    el("h3", {}, t("appearance")),
    choiceField("set-theme", "theme", THEMES.map((name) => [name, t(`theme_${name}`)]), read("theme", "auto"), setTheme),
    canNotify() ? noticeField() : "",
    el("h3", {}, t("data")),
    el("p", { class: "hint", "data-testid": "storage" }, t("storage_used", { used: formatBytes(storedBytes()), room: formatBytes(STORAGE_LIMIT) })),
    confirmButton("delete_all", "delete_all_sure", deleteAll));
}

const numberInput = (hint) => el("input", { type: "number", min: "1", step: "1", inputmode: "numeric", placeholder: t(hint) });

/** What holds in the open conversation alone, and the small library of system prompts. */
function conversationFields(conversation, save) {
  const { settings } = conversation;
  const put = (name, value) => {
    if (value) conversation.settings[name] = value; // Another tab's save replaces the object.
    else delete conversation.settings[name];
    save();
  };
  const system = el("textarea", { id: "set-own-system", rows: "3", placeholder: read("system", "") || t("as_above") });
  const limit = Object.assign(numberInput("as_above"), { id: "set-own-max-tokens", value: settings.max_tokens ?? "" });
  system.value = settings.system ?? "";
  system.addEventListener("input", () => put("system", system.value));
  limit.addEventListener("input", () => put("max_tokens", toCount(limit.value)));
  const take = (text) => {
    system.value = text;
    put("system", text);
  };
  return [
    el("div", { class: "field" }, el("label", { for: "set-own-system" }, t("own_system_prompt")), system),
    promptLibrary(() => system.value, take),
    el("div", { class: "field" }, el("label", { for: "set-own-max-tokens" }, t("own_max_tokens")), limit),
  ];
}

/** Some prompts to begin with, and those that a person has kept. */
function promptLibrary(text, take) {
  const holder = el("div", { class: "library" });
  const kept = () => read("prompts", []);
  const draw = () => {
    const given = BUILT_IN_PROMPTS.map((name) => [t(`library_${name}`), t(`library_${name}_text`)]);
    const own = kept().map((prompt) => [titleOf(prompt), prompt]);
    const select = el("select", { "aria-label": t("library"), change: () => select.value && take(select.value) },
      [[t("library"), ""], ...given, ...own].map(([name, prompt]) => el("option", { value: prompt }, name)));
    const keep = el("button", { type: "button", class: "quiet", click: () => {
      const prompt = text().trim();
      if (prompt && !kept().includes(prompt)) write("prompts", [...kept(), prompt].slice(-MAX_PROMPTS));
      draw();
    } }, t("library_keep"));
    const forget = el("button", { type: "button", class: "quiet", click: () => {
      write("prompts", kept().filter((prompt) => prompt !== text().trim()));
      draw();
    } }, t("library_forget"));
    holder.replaceChildren(select, el("div", { class: "buttons" }, keep, kept().length ? forget : ""));
  };
  draw();
  return holder;
}

function noticeField() {
  const box = el("input", { type: "checkbox", id: "set-notify", checked: notificationsEnabled() });
  box.addEventListener("change", async () => (box.checked = await setNotifications(box.checked)));
  return el("div", { class: "switch" }, box, el("label", { for: "set-notify" }, t("notify")));
}

const toCount = (text) => {
  const number = Number.parseInt(text, 10);
  return number > 0 ? number : null;
};

function field(id, key, control, name, fallback, toValue = (text) => text) {
  control.id = id;
  control.value = read(name, fallback) ?? "";
  control.addEventListener("input", () => write(name, toValue(control.value)));
  return el("div", { class: "field" }, el("label", { for: id }, t(key)), control);
}

/** In a form of its own, as browsers want it for a field that hides what is typed. */
function keyField() {
  const input = el("input", { type: "password", autocomplete: "off", spellcheck: "false", placeholder: t("api_key_hint") });
  const node = field("set-key", "api_key", input, "key", "", (text) => text.trim());
  input.addEventListener("change", reconnect);
  node.append(el("p", { class: "hint" }, t("api_key_note")));
  return el("form", { submit: (event) => event.preventDefault() }, node);
}

function choiceField(id, key, options, value, chosen) {
  const select = el("select", { id, change: () => chosen(select.value) }, options.map(([name, text]) => el("option", { value: name }, text)));
  select.value = value;
  return el("div", { class: "field" }, el("label", { for: id }, t(key)), select);
}

function modelField() {
  const holder = el("div");
  const draw = () => {
    const ids = modelIds();
    holder.replaceChildren(choiceField("set-model", "model_choice", ids.map((id) => [id, id]), chosenModel(), chooseModel));
    holder.hidden = ids.length < 2;
  };
  draw();
  onModels("settings", draw);
  return holder;
}

/** A button that needs a second press for an action that cannot be undone. */
export function confirmButton(key, sureKey, action) {
  const button = el("button", { type: "button", class: "quiet danger" }, t(key));
  let sure = 0;
  const calm = () => {
    clearTimeout(sure);
    sure = 0;
    delete button.dataset.sure;
    button.textContent = t(key);
  };
  button.addEventListener("click", () => {
    if (sure) {
      calm();
      action();
      return;
    }
    button.textContent = t(sureKey);
    button.dataset.sure = "";
    sure = setTimeout(calm, 4000);
  });
  button.addEventListener("blur", calm);
  return button;
}
