"""`GET /v1/activity`: the last requests of all clients, as the one who asks may see them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator

from flask import Blueprint, Response, jsonify, request

from bpu.access_policy import Access
from bpu.chat.deltas import Content, Delta, Reasoning
from bpu.chat.requests import ChatRequest
from bpu.web import request_log
from bpu.web.activity_store import LONGEST_WORDS, ActivityStore, Reader, facts_of

MOST_ROWS = 1000


def activity_blueprint(access: Access, mode: str, store: Callable[[], ActivityStore | None]) -> Blueprint:
    """The blueprint `activity`. `mode` is `BPU_ACTIVITY`."""
    activity = Blueprint("activity", __name__)

    @activity.get("/v1/activity")
    def rows() -> Response:
        client = request_log.current().client
        reader = Reader(client, is_privileged=access.needs_key or _is_local(client))
        kept = store()
        limit = min(MOST_ROWS, max(0, request.args.get("limit", 200, type=int)))
        found = kept.rows(reader, limit=limit) if kept is not None and limit else []
        return jsonify({**facts_of(mode), "data": found})

    return activity


def noted(answer: Iterator[Delta], asked: ChatRequest, record: request_log.RequestRecord) -> Iterator[Delta]:
    """`answer` as it is; question and answer are noted in `record`."""
    record.words["question"] = "\n\n".join(f"{message.role}: {message.content}" for message in asked.messages)
    said, letters = [], 0
    try:
        for delta in answer:
            if isinstance(delta, (Reasoning, Content)) and letters < LONGEST_WORDS:
                said.append(delta.text)
                letters += len(delta.text)
            yield delta
    finally:
        record.words["answer"] = "".join(said)


def _is_local(client: str) -> bool:
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client == "unix"
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
