"""Asking a real gateway as a client does, each answer held against the official types and the stream checker."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.live.gateway import Gateway, sim
from tests.support.checker import JoinedStream, check_completion, check_error, check_stream

MODEL = "deepseek-r1:1.5b"
THINK = f"{MODEL}-think"
CHAT = "/v1/chat/completions"


def say(text: str) -> str:
    """A question that the simulator answers with exactly `text`, reasoning and tags as written."""
    return sim(say=base64.urlsafe_b64encode(text.encode()).decode().rstrip("="))


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    """A request; a plain string is a user's message."""
    spoken = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
    return {"model": MODEL, "messages": spoken, **fields}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        assert self.headers["Content-Type"].startswith("application/json"), self.data
        return json.loads(self.data)

    @property
    def error(self) -> dict[str, Any]:
        """The error object, which has its four keys and a message in words."""
        return check_error(self.json)


def call(gateway: Gateway, method: str, path: str, sent: object = None, **headers: str) -> Reply:
    fields = {name.replace("_", "-"): one for name, one in headers.items()}
    status, received, data = gateway.request(method, path, sent, fields)
    return Reply(status, dict(received), data)


def post(gateway: Gateway, sent: object, path: str = CHAT, **headers: str) -> Reply:
    return call(gateway, "POST", path, sent, **headers)


def whole(gateway: Gateway, *messages: Any, **fields: Any) -> dict[str, Any]:
    """A completion in one piece."""
    sent = body(*messages, **fields)
    reply = post(gateway, sent)
    assert reply.status == 200, reply.data
    answer = dict(reply.json)
    check_completion(answer, sent)
    return answer


def message(gateway: Gateway, *messages: Any, **fields: Any) -> dict[str, Any]:
    return dict(whole(gateway, *messages, **fields)["choices"][0]["message"])


def streamed(gateway: Gateway, *messages: Any, error: bool = False, **fields: Any) -> JoinedStream:
    """A streamed completion, checked."""
    sent = body(*messages, stream=True, **fields)
    reply = post(gateway, sent)
    assert reply.status == 200, reply.data
    return check_stream(reply.data, sent, error=error)
