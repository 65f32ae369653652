// An address for each conversation (`#c-...`), so that Back, a bookmark and a second tab work.

import * as conversations from "./conversations.js";
import * as jobs from "./jobs.js";

const ADDRESS = /^#c-([\da-f]{6,40})$/;

const addressedId = () => ADDRESS.exec(location.hash)?.[1] ?? "";

/** Opens what the address names, else the latest conversation, else a new one. */
export function openAddressed(chat) {
  const latest = conversations.list().toSorted((one, other) => other.updated - one.updated)[0];
  const id = addressedId() || latest?.id;
  chat.open((id && jobs.conversationOf(id)) || conversations.create());
  keepAddress(chat);
  addEventListener("popstate", () => {
    const name = addressedId();
    if (name === addressOf(chat) || (!name && location.hash)) return; // The link to the prompt has a name of its own.
    chat.open((name && jobs.conversationOf(name)) || conversations.create());
  });
}

const addressOf = (chat) => (chat.conversation.nodes.length ? chat.conversation.id : "");

/** Makes the address name what is shown; a new entry in the browser's history where it was another conversation. */
export function keepAddress(chat) {
  const id = addressOf(chat);
  if (id === addressedId()) return;
  const address = id ? `#c-${id}` : location.pathname;
  if (keepAddress.isBegun) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
  keepAddress.isBegun = true;
}
