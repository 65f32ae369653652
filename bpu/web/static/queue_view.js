// Texts of what an answer waits for: a place in the queue, the load, the prefill, the first token.

import { engineStatus, queuePlaceOf, secondsSinceEvent, stateName } from "./engine.js";
import { formatDuration, t } from "./i18n.js";

/** Under the answer that has not begun; empty once it has. */
export function waitingText({ id, meter, isHeld, isResumed }) {
  if (meter.firstAfter !== null) return "";
  if (isResumed) return t("waiting_resume");
  if (isHeld) return t("waiting_held");
  const age = formatDuration(meter.age());
  const place = queuePlaceOf(id);
  const state = stateName();
  const isNext = !place || place.phase !== "queued" || place.position === 1;
  if (isNext && state === "starting") return loadingText(engineStatus.engine.since_s + secondsSinceEvent(), engineStatus.engine.load_s);
  if (isNext && state === "stopping") return t("waiting_restart", { time: age });
  if (isNext && state === "checking") return checkingText(engineStatus.engine.examination);
  if (place?.phase === "queued") return t("waiting_place", { position: place.position });
  if (place?.phase === "loading") return loadingText(meter.age());
  if (place?.phase === "prefill") return t("waiting_prefill", { time: age });
  return id ? t("waiting_first", { time: age }) : t("waiting_connect");
}

/** Which model is being loaded, for how many seconds, and about how many are left by earlier loads. */
function loadingText(seconds, usual = null) {
  const time = formatDuration(Math.floor(seconds));
  if (engineStatus.isRestart) return t("waiting_restart", { time });
  const left = usual === null ? "" : t("waiting_rest", { time: formatDuration(Math.max(0, Math.floor(usual - seconds))) });
  return t("waiting_loading", { model: engineStatus.engine?.model ?? "", time }) + left;
}

/** How far the examination of the console is, and its expected end if it is known. */
export function checkingText(examination) {
  const { answers = 0, of = 5, rest_s: rest = null } = examination ?? {};
  const left = rest === null ? "" : t("waiting_rest", { time: formatDuration(Math.max(0, Math.floor(rest - secondsSinceEvent()))) });
  return t("waiting_checking", { answers, of }) + left;
}

/** Beside the send button: my place, or how many wait. */
export function queueText(job) {
  const place = job && queuePlaceOf(job.id);
  if (place?.phase === "queued") return t("queue_place", { position: place.position });
  const count = engineStatus.engine?.waiting?.length ?? 0;
  return count ? t("queue_length", { count }) : "";
}
