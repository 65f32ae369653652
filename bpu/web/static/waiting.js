// What a person waits for, in words: a place in the queue, the load, the prefill, the first token.

import { elapsed, now, placeOf } from "./engine.js";
import { duration, t } from "./i18n.js";

/** Under the answer that has not begun; empty once it has. */
export function waitingWords({ id, meter }) {
  if (meter.firstAfter !== null) return "";
  const age = duration(meter.age());
  const place = placeOf(id);
  const loads = now.engine?.state === "starting";
  if (place?.phase === "queued" && !(loads && place.position === 1)) return t("waiting_place", { position: place.position });
  if (now.engine?.state === "checking") return checkingWords(now.engine.examination);
  if (loads) return loadingWords(now.engine.since_s + elapsed(), now.engine.load_s);
  if (place?.phase === "loading") return loadingWords(meter.age());
  if (place?.phase === "prefill") return t("waiting_prefill", { time: age });
  return id ? t("waiting_first", { time: age }) : t("waiting_connect");
}

/** Which model is being loaded, for how many seconds, and about how many are left by earlier loads. */
function loadingWords(seconds, usual = null) {
  const model = now.engine?.model ?? "";
  const left = usual === null ? "" : t("waiting_rest", { time: duration(Math.max(0, Math.floor(usual - seconds))) });
  return t("waiting_loading", { model, time: duration(Math.floor(seconds)) }) + left;
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
