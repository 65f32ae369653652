"""One request that is served to nobody, so that a worker's first client does not wait for imports and caches.

A cold worker would take its first request 50 to 100 ms later than the others take theirs.
"""

from __future__ import annotations

import logging

from flask import Flask

from bpu.chat.chunks import ResponseMetadata, chunks
from bpu.chat.requests import Limits, parse_chat
from bpu.console.events import Done, Event, Text
from bpu.turn import Timing
from bpu.web.context import KEY, AppContext
from bpu.web.error_handlers import internal
from bpu.web.sse import event

log = logging.getLogger("bpu.web")


def warm(app: Flask) -> None:
    """Go the way of a chat request in memory, without the engine. It never raises: a cold worker serves as well."""
    here: AppContext = app.extensions[KEY]
    try:
        app.test_client().get("/health")
        _chat(here)
    except Exception as error:
        internal(error)


def _chat(here: AppContext) -> None:
    body = {"model": here.served.default.id, "messages": [{"role": "user", "content": "1+1=?"}], "stream": True}
    asked = parse_chat(body, models=here.served.names, think_model=False, limits=Limits(), namespace="")
    turn = here.prompter.plan(asked).turn
    here.counter.count("1+1=2")
    events: list[Event] = [Text("1+1=2"), Done()]
    answer = here.served.default.parts.decoder.read(events, asked, turn, Timing)
    for chunk in chunks(answer, ResponseMetadata(id="warm", created=0, model=asked.model)):
        event(chunk)
