// One question on the page, its versions and its editing.

import { branchStepper } from "./branch.js";
import { copyButton, iconButton } from "./code.js";
import { fitHeight, isSendKey } from "./composer.js";
import { el } from "./dom.js";
import { t } from "./i18n.js";

export class PromptView {
  /** `resend(text)` is called when the person has changed the question; `versions` is {at, count, step}. */
  constructor(message, { resend, versions }) {
    Object.assign(this, { message, resend, versions });
    this.node = el("li", { class: "message question" });
    this.show();
  }

  show() {
    this.editButton = iconButton("pen", "edit", () => this.edit());
    this.node.replaceChildren(
      el("h2", { class: "hidden", "data-word": "you" }, t("you")),
      el("div", { class: "bubble" }, this.message.content),
      el("div", { class: "actions" }, branchStepper(this.versions), copyButton(() => this.message.content), this.editButton));
    this.node.classList.toggle("has-versions", this.versions.count > 1);
  }

  edit() {
    const area = el("textarea", { rows: "1", "aria-label": t("edit") });
    area.value = this.message.content;
    const leave = () => {
      this.show();
      this.editButton.focus();
    };
    const save = () => (area.value.trim() ? this.resend(area.value) : leave());
    area.addEventListener("input", () => fitHeight(area));
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        leave();
      } else if (isSendKey(event)) {
        event.preventDefault();
        save();
      }
    });
    this.node.replaceChildren(
      el("div", { class: "editing" }, area, el("p", { class: "hint" }, t("edit_hint")),
        el("div", { class: "buttons" },
          el("button", { type: "button", class: "quiet", click: leave }, t("cancel")),
          el("button", { type: "button", class: "primary", click: save }, t("save")))));
    fitHeight(area);
    area.focus();
  }
}
