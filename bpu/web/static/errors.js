// What went wrong, said in the person's language with the way on: try again, enter the key, wait for the queue.

import { byId, setText } from "./dom.js";
import { onLanguage, t } from "./i18n.js";

let shown = null;
let countdown = 0;

/** `error` has `code`, `message`, `status`, `retryAfter`; `again` is what the button does, null for no button. */
export function showError(error, again = null) {
  clearInterval(countdown);
  shown = { error, again };
  byId("retry").hidden = !again;
  byId("error").hidden = false;
  draw();
  if (again && error.retryAfter) countFrom(error.retryAfter);
  else setText(byId("retry"), t("retry"));
}

export function hideError() {
  clearInterval(countdown);
  shown = null;
  byId("error").hidden = true;
}

export function prepareErrors() {
  byId("dismiss").addEventListener("click", hideError);
  byId("retry").addEventListener("click", () => {
    const { again } = shown ?? {};
    hideError();
    again?.();
  });
  onLanguage(draw);
}

const draw = () => shown && setText(byId("error-text"), words(shown.error));

/** The gateway's own sentence stays as it is: it names the cause and the remedy. */
export function words({ code, status, message }) {
  const values = { message };
  if (code === "network") return t("error_network");
  if (code === "cut") return t("error_cut");
  if (code === "storage") return t("error_storage");
  if (status === 401) return t("error_key");
  if (status === 429) return t("error_full", values);
  if (code === "context_length_exceeded") return t("error_context", values);
  return message || t("error_action", values);
}

/** The queue said when to come back: the page counts down, and asks again by itself. */
function countFrom(seconds) {
  let left = seconds;
  const tick = () => {
    setText(byId("retry"), t("retry_in", { seconds: left }));
    if (left > 0) left -= 1;
    else byId("retry").click();
  };
  tick();
  countdown = setInterval(tick, 1000);
}
