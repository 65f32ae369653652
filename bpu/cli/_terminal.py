"""Shows progress on a terminal: dimmed text, a temporary line, a bar.

In a pipe or a file no colours and no temporary lines are written.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, TextIO

import click

from bpu.messages import translate

#: Loads take two to eight seconds on known boards; the length of a bar before the first one is measured.
USUAL_LOAD_S = 8.0
_BAR_CELLS = 24
_CLEAR_LINE = "\r\033[K"


def is_terminal(stream: TextIO) -> bool:
    return bool(stream.isatty())


def dim(text: str) -> str:
    """Dim `text`; `click.echo` removes the colour without a terminal."""
    return click.style(text, dim=True) if text else text


def bar(seconds: float, expected_s: float) -> str:
    """Draw a bar of `seconds` out of about `expected_s`.

    It is never full, because the end is not known.
    """
    return gauge(min(0.96, seconds / expected_s) if expected_s > 0 else 0.96, seconds)


def gauge(share: float, seconds: float) -> str:
    """Draw a bar with `share` (0 to 1) filled, and the seconds."""
    filled = int(share * _BAR_CELLS)
    return f"[{'#' * filled}{'-' * (_BAR_CELLS - filled)}] {seconds:4.1f} s"


class Notice:
    """One line on stderr that the next one replaces.

    It is cleared at the end, and silent without a terminal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = is_terminal(self._stream)
        self._shown = ""

    def show(self, text: str) -> None:
        if self._live and text != self._shown:
            self._stream.write(f"{_CLEAR_LINE}{dim(text) if _colours() else text}")
            self._stream.flush()
            self._shown = text

    def clear(self) -> None:
        if self._shown:
            self._stream.write(_CLEAR_LINE)
            self._stream.flush()
            self._shown = ""

    def __enter__(self) -> Notice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()


def _colours() -> bool:
    context = click.get_current_context(silent=True)
    return context is None or context.color is not False


def show_examination(notice: Notice, status: dict[str, Any]) -> bool:
    """Show the progress of the console's examination; False if none runs."""
    if status["state"] != "checking" or (examination := status.get("examination")) is None:
        return False
    count = {"answers": examination["answers"], "of": examination["of"]}
    rest_s = examination["rest_s"]
    rest = "" if rest_s is None else translate("load.checking_rest", seconds=round(rest_s))
    notice.show(translate("load.checking", **count) + rest)
    return True
