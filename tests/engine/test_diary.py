"""The keeper's lines have the form of the gateway's log."""

from __future__ import annotations

import json
import os

from bpu.engine.diary import moved
from bpu.engine.states import Move, State


def test_a_line_of_json_with_the_names_of_all_others() -> None:
    line = json.loads(moved("json", State.BUSY, State.FAILED, Move.DIED, "It\nfell.", now=1.0625))
    assert line == {
        "time": "1970-01-01T00:00:01.062+00:00",
        "level": "error",
        "logger": "bpu.engine.keeper",
        "pid": os.getpid(),
        "event": "engine",
        "from": "busy",
        "to": "failed",
        "move": "died",
        "reason": "It\nfell.",
    }
    assert "reason" not in json.loads(moved("json", State.STOPPED, State.STARTING, Move.LOAD))


def test_a_line_of_text() -> None:
    assert moved("text", State.STOPPED, State.STARTING, Move.LOAD).endswith("]: stopped -> starting (load)\n")
    assert moved("text", State.BUSY, State.FAILED, Move.DIED, "It fell.").endswith("busy -> failed (died): It fell.\n")
