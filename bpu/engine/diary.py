"""The keeper's lines in the gateway's log, in that log's form. It imports only what a small process needs anyway."""

from __future__ import annotations

import json
import os
import sys
import time

from bpu.engine.states import Move, State


def moved(form: str, old: State, new: State, move: Move, reason: str = "", *, now: float | None = None) -> str:
    """The line for a change of state: as `form`, `text` or `json`, has it, with the names of `bpu.web.logs`."""
    if form != "json":
        told = f": {reason}" if reason else ""
        return f"bpu keeper[{os.getpid()}]: {old.value} -> {new.value} ({move.value}){told}\n"
    now = time.time() if now is None else now
    line = {
        "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now * 1000) % 1000:03d}+00:00",
        "level": "error" if reason else "info",
        "logger": "bpu.engine.keeper",
        "pid": os.getpid(),
        "event": "engine",
        "from": old.value,
        "to": new.value,
        "move": move.value,
        **({"reason": reason} if reason else {}),
    }
    return json.dumps(line) + "\n"


class Diary:
    """Lines are written after all that somebody waits for: between two jobs there are two of them."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._lines: list[str] = []

    def note(self, old: State, new: State, move: Move, reason: str) -> None:
        self._lines.append(moved(self._form, old, new, move, reason))

    def write(self) -> None:
        if self._lines:
            sys.stderr.write("".join(self._lines))
            sys.stderr.flush()
            self._lines.clear()
