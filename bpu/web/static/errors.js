// What went wrong, said once in the person's language with the way on; the gateway's own words are folded below it.

import { byId, setText } from "./dom.js";
import { hasWord, onLanguage, t } from "./i18n.js";

let shown = null;
let countdown = 0;

/** `error` has `code`, `message`, `status`, `retryAfter`; `remedy` is {action, word} of the button, null for none. */
export function showError(error, remedy = null) {
  clearInterval(countdown);
  shown = { error, remedy };
  byId("retry").hidden = !remedy;
  byId("error").hidden = false;
  byId("error-details").open = false;
  draw();
  if (remedy && !remedy.word && error.retryAfter) startCountdown(error.retryAfter);
}

export function hideError() {
  clearInterval(countdown);
  shown = null;
  byId("error").hidden = true;
}

export function prepareErrors() {
  byId("dismiss").addEventListener("click", hideError);
  byId("retry").addEventListener("click", () => {
    const { remedy } = shown ?? {};
    hideError();
    remedy?.action();
  });
  onLanguage(draw);
}

function draw() {
  if (!shown) return;
  const { error, remedy } = shown;
  const wayOn = remedyOf(error);
  setText(byId("error-text"), [sentenceOf(error), wayOn].filter(Boolean).join(" "));
  setText(byId("error-message"), error.message ?? "");
  byId("error-details").hidden = !error.message;
  setText(byId("retry"), t(remedy?.word ?? "retry"));
}

/** One sentence that says what happened, in the person's language; the gateway's own words are among the details. */
export function sentenceOf({ code, status }) {
  if (hasWord(`code_${code}`)) return t(`code_${code}`);
  if (status === 401) return t("code_invalid_api_key");
  return t(status === 429 ? "code_queue_full" : "code_unknown");
}

function remedyOf({ code, status }) {
  if (hasWord(`remedy_${code}`)) return t(`remedy_${code}`);
  return status === 401 ? t("remedy_invalid_api_key") : "";
}

/** The queue said when to come back: the page counts down, and asks again by itself. */
function startCountdown(seconds) {
  let left = seconds;
  const tick = () => {
    setText(byId("retry"), t("retry_in", { seconds: left }));
    if (left > 0) left -= 1;
    else byId("retry").click();
  };
  tick();
  countdown = setInterval(tick, 1000);
}
