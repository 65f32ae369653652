// A conversation as a file: Markdown to read, JSON to go on with elsewhere.

import { byId, el } from "./dom.js";
import { t } from "./i18n.js";

export function prepareExport(chat) {
  byId("export-markdown").addEventListener("click", () => save(chat.conversation, "md", "text/markdown", markdown));
  byId("export-json").addEventListener("click", () => save(chat.conversation, "json", "application/json", json));
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

function save(conversation, ending, type, write) {
  const address = URL.createObjectURL(new Blob([write(conversation)], { type }));
  const name = conversation.title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 40) || "chat";
  el("a", { href: address, download: `${name}.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
