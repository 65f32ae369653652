"""The keeper's log lines have the format of the gateway's log."""

from __future__ import annotations

import json
import logging
import os

from bpu.engine.keeper.transition_log import format_transition
from bpu.engine.states import State, Transition
from bpu.log_format import TextFormatter


def test_a_line_of_json_with_the_names_of_all_others() -> None:
    line = json.loads(format_transition("json", State.BUSY, State.FAILED, Transition.DIED, "It\nfell.", now=1.0625))
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
    assert "reason" not in json.loads(format_transition("json", State.STOPPED, State.STARTING, Transition.LOAD))


def test_a_line_of_text() -> None:
    """One form for the whole log, and a line that says when to ask."""
    assert " INFO engine: loading the model state=starting" in format_transition(
        "text", State.STOPPED, State.STARTING, Transition.LOAD
    )
    assert "the model is loaded: ask now" in format_transition("text", State.STARTING, State.READY, Transition.BANNER)
    failed = format_transition("text", State.BUSY, State.FAILED, Transition.DIED, "It fell.", now=1.0)
    assert " ERROR engine: It fell. state=failed before=busy move=died\n" in failed
    record = logging.LogRecord("bpu", logging.ERROR, __file__, 0, "engine: x", None, None)
    record.created = 1.0
    assert TextFormatter().format(record).split(" ERROR ")[0] == failed.split(" ERROR ")[0]
