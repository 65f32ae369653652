// The list of conversations: beside the chat on a wide screen, a drawer over it on a narrow one.

import * as conversations from "./conversations.js";
import { byId, el, icon } from "./dom.js";
import { onLanguage, t } from "./i18n.js";

const WIDE = matchMedia("(min-width: 900px)");

export class Sidebar {
  constructor(chat) {
    this.chat = chat;
    this.open = WIDE.matches;
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
    conversations.onChangeElsewhere(() => this.draw());
    onLanguage(() => this.draw());
    this.setOpen(this.open);
  }

  setOpen(open) {
    this.open = open;
    byId("sidebar").hidden = !open;
    byId("menu").setAttribute("aria-expanded", String(open));
    if (open && !WIDE.matches) byId("sidebar").querySelector("button")?.focus();
  }

  closeDrawer() {
    if (this.open && !WIDE.matches) this.setOpen(false);
  }

  draw() {
    const entries = conversations.list();
    const signature = JSON.stringify([entries.map(({ id, title }) => [id, title]), this.chat.conversation.id, document.documentElement.lang]);
    if (signature === this.drawn) return; // An answer that is being saved must not steal the focus from the list.
    this.drawn = signature;
    const rows = entries.map((entry) => this.row(entry));
    byId("conversations").replaceChildren(...(rows.length ? rows : [el("li", { class: "hint" }, t("no_conversations"))]));
    for (const id of ["export-markdown", "export-json"]) byId(id).hidden = !this.chat.messages.length;
  }

  row({ id, title }) {
    const current = id === this.chat.conversation.id;
    const open = el("button", { type: "button", class: "conversation", "aria-current": current ? "true" : null, click: () => this.show(id) }, title || t("untitled"));
    const bin = el("button", { type: "button", class: "icon small", "aria-label": `${t("delete")}: ${title}`, title: t("delete"), click: () => this.confirm(bin, id) }, icon("bin"));
    return el("li", {}, open, bin);
  }

  show(id) {
    const conversation = conversations.load(id);
    if (conversation) this.chat.open(conversation);
    this.closeDrawer();
  }

  /** The first press asks, the second deletes. */
  confirm(bin, id) {
    if (bin.classList.contains("sure")) {
      conversations.discard(id);
      if (id === this.chat.conversation.id) this.chat.startNew();
      else this.draw();
      return;
    }
    bin.classList.add("sure");
    bin.replaceChildren(t("delete_sure"));
    bin.addEventListener("blur", () => {
      bin.classList.remove("sure");
      bin.replaceChildren(icon("bin"));
    }, { once: true });
  }
}
