"""Sends orders to this board's keeper and asks for its status.

It starts no keeper and needs no gevent.
"""

from __future__ import annotations

import select
import time
from functools import partial
from pathlib import Path
from typing import Any

from bpu.engine import protocol
from bpu.engine.messages import (
    BadPacket,
    ExamineConsole,
    GetStatus,
    LoadModel,
    Message,
    Refusal,
    StatusUpdate,
    UnloadModel,
)
from bpu.errors import EngineTimeout, EngineUnavailable
from bpu.messages import translate

ANSWER_S = 5.0


def order(folder: Path, op: str, model: str = "") -> bool:
    """Send the order `load`, `unload` or `examine` to the keeper of the state folder.

    False when there is none. `model` is the id of the one to load. Raises `EngineTimeout`, and `EngineUnavailable` when
    the keeper refuses.
    """
    orders: dict[str, Message] = {
        "load": LoadModel(model=model),
        "unload": UnloadModel(),
        "examine": ExamineConsole(),
    }
    answer = _ask(folder, orders[op])
    if isinstance(answer, Refusal):
        raise EngineUnavailable(answer.message)
    return answer is not None


def status(folder: Path) -> dict[str, Any] | None:
    """The status of the engine, as the gateway shows it in `/health`.

    It is None when no keeper runs.
    """
    answer = _ask(folder, GetStatus())
    return answer.status.to_json(time.monotonic()) if isinstance(answer, StatusUpdate) else None


def _ask(folder: Path, message: Message) -> Message | None:
    """Send `message` and return the answer; None when no keeper runs.

    Raises `EngineTimeout`, and `EngineUnavailable` for a keeper that does not understand it or is not understood, as
    after an update without a restart of the gateway.
    """
    sock = _connect(folder)
    if sock is None:
        return None
    try:
        return protocol.ask(sock, message, wait_readable=partial(_readable, sock.fileno()), limit_s=ANSWER_S)
    except TimeoutError:
        raise EngineTimeout(translate("load.silent")) from None
    except BadPacket:
        raise EngineUnavailable(translate("load.other_version")) from None
    except protocol.Closed:
        if not _is_running(folder):
            return None
        raise EngineUnavailable(translate("load.other_version")) from None
    finally:
        sock.close()


def _is_running(folder: Path) -> bool:
    sock = _connect(folder)
    if sock is not None:
        sock.close()
    return sock is not None


def _connect(folder: Path) -> Any:
    try:
        return protocol.connect_within(folder, ANSWER_S, sleep=time.sleep)
    except BlockingIOError:
        raise EngineTimeout(translate("load.silent")) from None


def _readable(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(seconds * 1000))
