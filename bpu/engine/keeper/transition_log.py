"""Writes the keeper's lines into the gateway's log, as text or JSON.

It has few imports, because the keeper is small. It runs in the keeper's one thread.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from functools import partial
from io import TextIOBase
from pathlib import Path
from typing import Any

from bpu.engine.states import State, Transition


def format_transition(
    form: str, old: State, new: State, move: Transition, reason: str = "", *, model: str = "", now: float | None = None
) -> str:
    """Format the log line for a change of state.

    `form` is `text` or `json`, with the names of `bpu.log_format`.
    """
    if form != "json":
        return _text_line("error" if reason else "info", _sentence(old, new, move, reason, model), now)
    line = {
        "event": "engine",
        "from": old.value,
        "to": new.value,
        "move": move.value,
        **({"model": model} if model else {}),
    }
    return _json_line("error" if reason else "info", {**line, **({"reason": reason} if reason else {})}, now)


def format_note(form: str, event: str, text: str, *, level: str = "error") -> str:
    """Format one line about the keeper itself, for example about an internal error."""
    if form != "json":
        return _text_line(level, text)
    return _json_line(level, {"event": event, "reason": text})


def _sentence(old: State, new: State, move: Transition, reason: str, model: str) -> str:
    """Describe a change of state in words, for a person who waits for the model."""
    meaning = {
        (State.STARTING, State.READY): "the model is loaded: ask now",
        (State.CHECKING, State.READY): "the model is loaded and the console is examined: ask now",
        (State.STARTING, State.CHECKING): "the model is loaded; the console is being examined, only once",
    }.get((old, new))
    if new is State.STARTING:
        meaning = "loading the model"
    facts = f"state={new.value} before={old.value} move={move.value.replace(' ', '_')}"
    if model:
        facts += f" model={model}"
    return f"engine: {reason or meaning or new.value} {facts}"


def _text_line(level: str, text: str, now: float | None = None) -> str:
    """Format a line like `bpu.log_format.TextFormatter`, without its imports."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S%z", time.localtime(now))
    return f"{moment} [{os.getpid()}] {level.upper()} {text}\n"


def _json_line(level: str, fields: dict[str, Any], now: float | None = None) -> str:
    now = time.time() if now is None else now
    line = {
        "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now * 1000) % 1000:03d}+00:00",
        "level": level,
        "logger": "bpu.engine.keeper",
        "pid": os.getpid(),
        **fields,
    }
    return json.dumps(line) + "\n"


def where(error: BaseException) -> str:
    """Return the class of `error` and the code line that raised it.

    It leaves out the error's text, which may quote a request.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    return f"{type(error).__name__}{place}"


class TransitionLog:
    """Collects log lines, and writes them after the keeper's messages.

    So no job waits for the log. Owned by the keeper. `output` must neither block nor raise (`bpu.log_writer`), because
    the keeper has one thread. `brief`: lines of level `info` are left out.
    """

    def __init__(self, form: str, output: TextIOBase, *, brief: bool = False) -> None:
        self._form, self._output, self._brief = form, output, brief
        self._lines: list[Callable[[], str]] = []  # formatted by `write`, because a job may wait for the caller

    def note(self, old: State, new: State, move: Transition, reason: str, *, model: str = "") -> None:
        """Collect the line of a change of state; `reason` makes it an error."""
        if reason or not self._brief:
            line = partial(format_transition, self._form, old, new, move, reason, model=model, now=time.time())
            self._lines.append(line)

    def note_error(self, error: BaseException) -> None:
        """Collect the line of an unexpected error."""
        self._lines.append(partial(format_note, self._form, "internal_error", f"internal error, {where(error)}"))

    def note_event(self, event: str, text: str, *, level: str = "info") -> None:
        """Collect a line about the keeper itself."""
        if level != "info" or not self._brief:
            self._lines.append(partial(format_note, self._form, event, text, level=level))

    def write(self) -> None:
        """Write the collected lines."""
        if self._lines:
            self._output.write("".join(line() for line in self._lines))
            self._output.flush()
            self._lines.clear()
