"""Warms a worker up by one request without a client.

Without it the first request of a worker takes 50 to 100 ms longer than the next ones.
"""

from __future__ import annotations

import logging

from flask import Flask

from bpu.chat.chunks import ChunkFormat, ResponseMetadata
from bpu.chat.deltas import KeepAlive
from bpu.chat.requests import Limits, parse_chat
from bpu.console.events import Done, Event, Text
from bpu.turn import Timing
from bpu.web.context import KEY, AppContext
from bpu.web.error_handlers import internal
from bpu.web.sse import ChunkEncoder

log = logging.getLogger("bpu.web")


def warm(app: Flask) -> None:
    """Run a chat request in memory, without the engine.

    It never raises, because a cold worker serves as well.
    """
    ctx: AppContext = app.extensions[KEY]
    try:
        app.test_client().get("/health")
        _chat(ctx)
    except Exception as error:
        internal(error)


def _chat(ctx: AppContext) -> None:
    body = {"model": ctx.served.default.id, "messages": [{"role": "user", "content": "1+1=?"}], "stream": True}
    chat_request = parse_chat(body, models=ctx.served.names, think_model=False, limits=Limits(), namespace="")
    turn = ctx.prompter.plan(chat_request).turn
    ctx.counter.count("1+1=2")
    events: list[Event] = [Text("1+1=2"), Done()]
    chunks, encoder = ChunkFormat(ResponseMetadata(id="warm", created=0, model=chat_request.model)), ChunkEncoder()
    for delta in ctx.served.default.parts.decoder.read(events, chat_request, turn, Timing):
        for chunk in chunks.events(delta):
            if not isinstance(chunk, KeepAlive):
                encoder.encode(chunk)
