// A system notification when an answer ends on a hidden page or in another conversation. Browsers allow it on localhost and behind TLS.

import { t } from "./i18n.js";
import { read, write } from "./store.js";

export const canNotify = () => isSecureContext && "Notification" in window;

export const notificationsEnabled = () => canNotify() && read("notify", false) && Notification.permission === "granted";

/** Asks for the browser's permission; whether it was given. */
export async function setNotifications(isWanted) {
  const isGranted = isWanted && (await Notification.requestPermission()) === "granted";
  write("notify", isGranted);
  return isGranted;
}

/** `id` is that of the answer: two tabs show one notice of it, and the next answer has its own. */
export function notifyEnd(title, isDone, id) {
  if (!notificationsEnabled()) return;
  const words = t(isDone ? "notice_done" : "notice_failed");
  const options = { body: title, icon: new URL("./icon-192.png", import.meta.url).href, tag: id };
  try {
    const notice = new Notification(words, options);
    notice.addEventListener("click", () => {
      window.focus();
      notice.close();
    });
  } catch {
    // Phones refuse the constructor: only a service worker may show a notice there.
    navigator.serviceWorker?.ready.then((registration) => registration.showNotification(words, options)).catch(() => {});
  }
}
