// Steps between the versions of a question or an answer: "2/3" with an arrow on each side.

import { iconButton } from "./code.js";
import { el } from "./dom.js";
import { t } from "./i18n.js";

/** `versions` is {at, count, step}; null where there is one version only. */
export function branchStepper({ at, count, step }) {
  if (count < 2) return null;
  const [back, on] = [iconButton("left", "version_before", () => step(-1)), iconButton("right", "version_after", () => step(1))];
  back.disabled = at <= 1;
  on.disabled = at >= count;
  return el("span", { class: "branch", "data-testid": "branch", role: "group", "aria-label": t("version", { at, count }) }, back, el("span", {}, `${at}/${count}`), on);
}
