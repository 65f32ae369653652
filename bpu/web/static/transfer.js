// A conversation as a file: Markdown to read, JSON to go on with elsewhere or to bring back.

import * as conversations from "./conversations.js";
import { byId } from "./dom.js";
import { showError } from "./errors.js";
import { chooseFile, fileName, saveFile } from "./files.js";
import { t } from "./i18n.js";

export function prepareTransfer(chat) {
  const named = (ending) => fileName(chat.conversation.title, ending);
  byId("export-markdown").addEventListener("click", () => saveFile(named("md"), markdown(chat.conversation), "text/markdown"));
  byId("export-json").addEventListener("click", () => saveFile(named("json"), json(chat.conversation), "application/json"));
  byId("import").addEventListener("click", async () => importText(chat, await chooseFile(".json,application/json")));
}

export function markdown(conversation) {
  const parts = conversations.path(conversation).map(({ role, content, reasoning }) => {
    const who = `## ${t(role === "user" ? "you" : "model")}`;
    const thoughts = reasoning ? `> ${reasoning.trim().replaceAll("\n", "\n> ")}\n\n` : "";
    return `${who}\n\n${thoughts}${content.trim()}\n`;
  });
  return `# ${conversation.title}\n\n${parts.join("\n")}`;
}

export const json = (conversation) => `${JSON.stringify(conversations.exportConversation(conversation), null, 2)}\n`;

function importText(chat, text) {
  const conversation = conversations.importConversation(parseJson(text));
  if (!conversation) {
    showError({ code: "import", message: "" });
    return;
  }
  if (!conversations.save(conversation)) showError({ code: "storage", message: "" });
  chat.open(conversation);
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
