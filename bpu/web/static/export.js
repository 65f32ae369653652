// A conversation as a file: Markdown to read, JSON to go on with elsewhere.

import { byId } from "./dom.js";
import { fileName, saveFile } from "./files.js";
import { t } from "./i18n.js";

export function prepareExport(chat) {
  byId("export-markdown").addEventListener("click", () => saveFile(fileName(chat.conversation.title, "md"), markdown(chat.conversation), "text/markdown"));
  byId("export-json").addEventListener("click", () => saveFile(fileName(chat.conversation.title, "json"), json(chat.conversation), "application/json"));
}

export function markdown({ title, messages }) {
  const parts = messages.map(({ role, content, reasoning }) => {
    const who = `## ${t(role === "user" ? "you" : "model")}`;
    const thoughts = reasoning ? `> ${reasoning.trim().replaceAll("\n", "\n> ")}\n\n` : "";
    return `${who}\n\n${thoughts}${content.trim()}\n`;
  });
  return `# ${title}\n\n${parts.join("\n")}`;
}

export const json = (conversation) => `${JSON.stringify(conversation, null, 2)}\n`;
