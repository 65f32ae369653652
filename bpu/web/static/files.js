// Gives the browser a file to save, or takes one that a person has chosen.

import { el } from "./dom.js";

export function saveFile(name, text, type = "text/plain") {
  const address = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** A file name made of `title`: letters and digits of any script, nothing that a system could take for a path. */
export const fileName = (title, ending) => `${title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 40) || "chat"}.${ending}`;

/** The text of a file that the person chooses; the promise stays open when they choose none. */
export function chooseFile(accept) {
  return new Promise((resolve) => {
    const input = el("input", { type: "file", accept });
    input.addEventListener("change", async () => input.files[0] && resolve(await input.files[0].text()));
    input.click();
  });
}
