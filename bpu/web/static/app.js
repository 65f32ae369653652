// Puts the parts together; it does nothing itself.

import { Chat, drawIdeas } from "./chat.js";
import { prepareWrap } from "./code.js";
import * as conversations from "./conversations.js";
import { drawIcons } from "./dom.js";
import { follow } from "./engine.js";
import { prepareErrors } from "./errors.js";
import { prepareExport } from "./export.js";
import { speak } from "./i18n.js";
import { followModels } from "./models.js";
import { preparePanel } from "./panel.js";
import { prepareSettings } from "./settings.js";
import { Sidebar } from "./sidebar.js";
import { prepareEngineState } from "./state.js";

drawIcons();
prepareErrors();
prepareWrap();
prepareSettings();
prepareEngineState();
const chat = new Chat({ changed: () => sidebar.draw() });
const sidebar = new Sidebar(chat);
drawIdeas(chat);
prepareExport(chat);
preparePanel({
  deleteAll: () => {
    conversations.discardAll();
    chat.startNew();
  },
});
speak();
const [latest] = conversations.list();
chat.open((latest && conversations.load(latest.id)) ?? conversations.create());
if (matchMedia("(pointer: fine)").matches) chat.composer.area.focus({ preventScroll: true });
followModels();
follow();
