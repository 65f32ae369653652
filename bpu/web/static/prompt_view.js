// One question on the page, and its editing.

import { copyButton } from "./code.js";
import { el, icon } from "./dom.js";
import { t } from "./i18n.js";
import { grow, sends } from "./composer.js";

export class PromptView {
  /** `resend(text)` is called when the person has changed the question. */
  constructor(message, { resend }) {
    this.message = message;
    this.resend = resend;
    this.node = el("li", { class: "message question" });
    this.show();
  }

  show() {
    const edit = el("button", { type: "button", class: "icon small", "data-label": "edit", "aria-label": t("edit"), title: t("edit"), click: () => this.edit() }, icon("pen"));
    this.node.replaceChildren(
      el("h2", { class: "hidden", "data-word": "you" }, t("you")),
      el("div", { class: "bubble" }, this.message.content),
      el("div", { class: "actions" }, copyButton(() => this.message.content), edit));
    this.editButton = edit;
  }

  edit() {
    const area = el("textarea", { rows: "1", "aria-label": t("edit") });
    area.value = this.message.content;
    const leave = () => {
      this.show();
      this.editButton.focus();
    };
    const save = () => (area.value.trim() ? this.resend(area.value) : leave());
    area.addEventListener("input", () => grow(area));
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        leave();
      } else if (sends(event)) {
        event.preventDefault();
        save();
      }
    });
    this.node.replaceChildren(
      el("div", { class: "editing" }, area, el("p", { class: "hint" }, t("edit_hint")),
        el("div", { class: "buttons" },
          el("button", { type: "button", class: "quiet", click: leave }, t("cancel")),
          el("button", { type: "button", class: "primary", click: save }, t("save")))));
    grow(area);
    area.focus();
  }
}
