// The list of conversations: beside the chat on a wide screen, a drawer over it on a narrow one.

import { iconButton } from "./code.js";
import * as conversations from "./conversations.js";
import { byId, el, icon } from "./dom.js";
import { formatDay, onLanguage, t } from "./i18n.js";
import * as jobs from "./jobs.js";
import { offerUndo } from "./undo.js";

const WIDE = matchMedia("(min-width: 900px)");
const SEARCH_MS = 120;

export class Sidebar {
  constructor(chat) {
    this.chat = chat;
    this.open = WIDE.matches;
    this.found = null;
    byId("menu").addEventListener("click", () => this.setOpen(!this.open));
    byId("new-chat").addEventListener("click", () => {
      chat.startNew();
      this.closeDrawer();
    });
    byId("chat").addEventListener("pointerdown", () => this.closeDrawer());
    byId("sidebar").addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || WIDE.matches) return;
      event.preventDefault();
      this.closeDrawer();
      byId("menu").focus();
    });
    WIDE.addEventListener("change", () => this.setOpen(WIDE.matches));
    this.listenToSearch();
    conversations.onChangeElsewhere(() => this.draw());
    onLanguage(() => this.draw());
    this.setOpen(this.open);
  }

  listenToSearch() {
    let timer = 0;
    byId("search").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.find(byId("search").value), SEARCH_MS);
    });
  }

  find(words) {
    this.found = words.trim() ? new Set(conversations.search(words)) : null;
    this.draw();
  }

  setOpen(open) {
    this.open = open;
    byId("sidebar").hidden = !open;
    byId("menu").setAttribute("aria-expanded", String(open));
    if (open && !WIDE.matches) byId("sidebar").querySelector(".conversation, button")?.focus();
  }

  closeDrawer() {
    if (this.open && !WIDE.matches) this.setOpen(false);
  }

  draw() {
    const entries = conversations.list().filter(({ id }) => !this.found || this.found.has(id));
    const states = entries.map(({ id, unread }) => (jobs.jobOf(id) ? "running" : unread ? "unread" : ""));
    const signature = JSON.stringify([entries.map(({ id, title, pinned, updated }) => [id, title, pinned, formatDay(updated)]), states, this.found && [...this.found], this.chat.conversation.id, document.documentElement.lang]);
    if (signature === this.drawn || byId("conversations").contains(this.renaming)) return; // An answer that is being saved must not steal the focus.
    this.drawn = signature;
    const focused = document.activeElement?.dataset.key;
    const rows = entries.map((entry, index) => this.row(entry, states[index]));
    byId("conversations").replaceChildren(...(rows.length ? rows : [el("li", { class: "hint" }, t(this.found ? "search_nothing" : "no_conversations"))]));
    if (focused) byId("conversations").querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    byId("search-box").hidden = !entries.length && !this.found;
    for (const id of ["export-markdown", "export-json"]) byId(id).hidden = !this.chat.conversation.nodes.length;
  }

  row({ id, title, pinned, updated }, state) {
    const current = id === this.chat.conversation.id;
    const name = title || t("untitled");
    const button = (drawing, key, action) => {
      const made = iconButton(drawing, key, action);
      made.dataset.key = `${key}-${id}`;
      made.setAttribute("aria-label", `${t(key)}: ${name}`);
      return made;
    };
    const row = el("li", { class: pinned ? "pinned" : null, "data-activity": state || null },
      state ? el("span", { class: "activity-dot", role: "img", "aria-label": t(`conversation_${state}`), title: t(`conversation_${state}`) }) : pinned ? icon("pin") : null,
      el("button", { type: "button", class: "conversation", "data-testid": "conversation", "data-key": `open-${id}`, "aria-current": current ? "true" : null, title: name, click: () => this.show(id) }, name),
      el("time", { datetime: new Date(updated).toISOString() }, formatDay(updated)),
      el("span", { class: "row-actions" },
        button("pin", pinned ? "unpin" : "pin", () => this.change(id, { pinned: !pinned })),
        button("pen", "rename", () => this.rename(row, id, title)),
        button("bin", "delete", () => this.discard(id))));
    return row;
  }

  show(id) {
    const conversation = jobs.conversationOf(id);
    if (conversation) this.chat.open(conversation);
    this.closeDrawer();
  }

  /** Opens the conversation that stands `by` places further down the list. */
  walk(by) {
    const all = conversations.list();
    const wanted = all[all.findIndex(({ id }) => id === this.chat.conversation.id) + by];
    if (wanted) this.show(wanted.id);
  }

  change(id, changes) {
    const live = id === this.chat.conversation.id ? this.chat.conversation : jobs.jobOf(id)?.conversation;
    conversations.change(id, changes, live);
    this.draw();
  }

  rename(row, id, title) {
    const input = el("input", { type: "text", class: "rename", maxlength: "200", "aria-label": t("rename") });
    input.value = title;
    this.renaming = input;
    const leave = (isKept) => {
      if (this.renaming !== input) return;
      this.renaming = null;
      if (isKept && input.value.trim()) this.change(id, { title: input.value.trim(), named: true });
      this.drawn = "";
      this.draw();
      byId("conversations").querySelector(`[data-key="open-${CSS.escape(id)}"]`)?.focus();
    };
    input.addEventListener("keydown", (event) => {
      if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      leave(event.key === "Enter");
    });
    input.addEventListener("blur", () => leave(true));
    row.replaceChildren(input);
    input.focus();
    input.select();
  }

  /** Deletes the conversation at once, and offers to undo it for a while. */
  discard(id) {
    jobs.stop(jobs.jobOf(id));
    const kept = conversations.discard(id);
    const isShown = id === this.chat.conversation.id;
    if (isShown) this.chat.startNew();
    else this.draw();
    if (!kept) return;
    offerUndo("deleted", () => {
      conversations.restore(kept);
      if (isShown) this.chat.open(kept.conversation);
      else this.draw();
    });
  }
}
