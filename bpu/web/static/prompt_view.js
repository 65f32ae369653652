// One question on the page, its versions and its editing.

import { branchStepper } from "./branch.js";
import { copyButton, iconButton } from "./code.js";
import { fitHeight, isSendKey } from "./composer.js";
import { el, setText } from "./dom.js";
import { t } from "./i18n.js";
import { find } from "./pictures.js";

export class PromptView {
  /** `resend(text)` is called when the person has changed the question; `versions` is {at, count, step}. */
  constructor(message, { resend, versions }) {
    Object.assign(this, { message, resend, versions });
    this.node = el("li", { class: "message question" });
    this.show();
  }

  show() {
    this.editButton = iconButton("pen", "edit", () => this.edit());
    this.node.replaceChildren(...[
      el("h2", { class: "hidden", "data-word": "you" }, t("you")),
      this.pictures(),
      el("div", { class: "bubble" }, this.message.content),
      el("div", { class: "actions" }, branchStepper(this.versions), copyButton(() => this.message.content), this.editButton),
    ].filter(Boolean));
    this.node.classList.toggle("has-versions", this.versions.count > 1);
  }

  pictures() {
    const { images } = this.message;
    return images?.length ? el("ul", { class: "pictures" }, images.map(pictureItem)) : null;
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

/** A picture of a question; one that is no longer kept is named. */
function pictureItem({ id, alt }) {
  const item = el("li", { "data-testid": "picture" });
  find(id).then((url) => {
    if (url) item.append(el("img", { src: url, alt: alt || t("picture") }));
    else setText(item, alt ? t("picture_gone_alt", { alt }) : t("picture_gone"));
  });
  return item;
}
