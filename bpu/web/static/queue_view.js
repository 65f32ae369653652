// What a person waits for, in words: a place in the queue, the load, the prefill, the first token.

import { elapsed, now, placeOf, stateName } from "./engine.js";
import { duration, t } from "./i18n.js";

/** Under the answer that has not begun; empty once it has. */
export function waitingWords({ id, meter, isHeld, isResumed }) {
  if (meter.firstAfter !== null) return "";
  if (isResumed) return t("waiting_resume");
  if (isHeld) return t("waiting_held");
  const age = duration(meter.age());
  const place = placeOf(id);
  const state = stateName();
  const isNext = !place || place.phase !== "queued" || place.position === 1;
  if (isNext && state === "starting") return loadingWords(now.engine.since_s + elapsed(), now.engine.load_s);
  if (isNext && state === "stopping") return t("waiting_restart", { time: age });
  if (isNext && state === "checking") return checkingWords(now.engine.examination);
  if (place?.phase === "queued") return t("waiting_place", { position: place.position });
  if (place?.phase === "loading") return loadingWords(meter.age());
  if (place?.phase === "prefill") return t("waiting_prefill", { time: age });
  return id ? t("waiting_first", { time: age }) : t("waiting_connect");
}

/** Which model is being loaded, for how many seconds, and about how many are left by earlier loads. */
function loadingWords(seconds, usual = null) {
  const time = duration(Math.floor(seconds));
  if (now.isRestart) return t("waiting_restart", { time });
  const left = usual === null ? "" : t("waiting_rest", { time: duration(Math.max(0, Math.floor(usual - seconds))) });
  return t("waiting_loading", { model: now.engine?.model ?? "", time }) + left;
}

/** How far the examination of the console is, and its expected rest where that can be told. */
export function checkingWords(examination) {
  const { answers = 0, of = 5, rest_s: rest = null } = examination ?? {};
  const left = rest === null ? "" : t("waiting_rest", { time: duration(Math.max(0, Math.floor(rest - elapsed()))) });
  return t("waiting_checking", { answers, of }) + left;
}

/** Beside the send button: my place, or how many wait. */
export function queueWords(job) {
  const place = job && placeOf(job.id);
  if (place?.phase === "queued") return t("queue_place", { position: place.position });
  const count = now.engine?.waiting?.length ?? 0;
  return count ? t("queue_length", { count }) : "";
}
