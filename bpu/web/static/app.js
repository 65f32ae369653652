// Puts the parts together; it does nothing itself.

import { prepareBodiesBanner } from "./activity.js";
import { keepAddress, openAddressed } from "./address.js";
import { Chat, drawSuggestions } from "./chat.js";
import { prepareWrap } from "./code.js";
import * as conversations from "./conversations.js";
import { drawIcons } from "./dom.js";
import { followEvents } from "./engine.js";
import { prepareErrors } from "./errors.js";
import { prepareHelp } from "./help.js";
import { applyLanguage } from "./i18n.js";
import * as jobs from "./jobs.js";
import { prepareModelMenu } from "./model_menu.js";
import { followModels } from "./models.js";
import { preparePanel, redrawPanel } from "./panel.js";
import { prepareSettings } from "./settings.js";
import { Sidebar } from "./sidebar.js";
import { prepareEngineState } from "./state.js";
import { prepareTransfer } from "./transfer.js";
import { offerUndo } from "./undo.js";
import { install } from "./workers.js";

drawIcons();
prepareErrors();
prepareWrap();
prepareSettings();
prepareEngineState();
prepareModelMenu();
prepareBodiesBanner();
jobs.prepareJobs();
jobs.resumeAll();

let shown = null;
const chat = new Chat({
  changed: () => {
    sidebar.draw();
    keepAddress(chat);
    if (shown !== chat.conversation) redrawPanel();
    shown = chat.conversation;
  },
});
const sidebar = new Sidebar(chat);
drawSuggestions(chat);
prepareTransfer(chat);
preparePanel(() => ({
  conversation: chat.conversation,
  save: () => conversations.save(chat.conversation),
  deleteAll: () => {
    for (const { id } of conversations.list()) jobs.stop(jobs.jobOf(id));
    const kept = conversations.discardAll();
    chat.startNew();
    offerUndo("deleted_all", () => {
      kept.forEach(conversations.restore);
      sidebar.draw();
    });
  },
}));
prepareHelp({ walk: (by) => sidebar.walk(by) });
applyLanguage();
openAddressed(chat);
if (matchMedia("(pointer: fine)").matches) chat.composer.area.focus({ preventScroll: true });
conversations.sweepPictures();
followModels();
followEvents();
install();
