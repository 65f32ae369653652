"""Finds known faults in a saved log."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bpu.board.checks.finding import Finding, Level, note
from bpu.console.diagnosis import Diagnosis, diagnose
from bpu.messages import has, translate

#: Without its ESC characters this reads `mKrun error`.
_COLOURED_RUN_ERROR = re.compile(r"\x1b\[[0-9;]*m\x1b\[K(?=run error)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: Messages of shells about a program that a signal ended, with the signal.
_ENDS = {"Segmentation fault": 11, "段错误": 11, "Aborted": 6, "已放弃": 6, "Killed": 9, "已杀死": 9}
_NOTHING = ("unknown", "exited")


def check_log(text: str) -> list[Finding]:
    """Return the main fault with its line, then other faults.

    A note if the log shows none.
    """
    lines = [_COLOURS.sub("", _COLOURED_RUN_ERROR.sub("mK", line)).strip() for line in text.splitlines()]
    main = diagnose(lines, signal=next((number for words, number in _ENDS.items() if words in text), None))
    if main.cause in _NOTHING:
        return [note("log", "log_clean")]
    others = {fault.cause: line for fault, line in _each(lines) if fault.cause != main.cause}
    return [_finding(main, _line(main, lines)), *(_other(cause, line) for cause, line in others.items())]


def _each(lines: Sequence[str]) -> Iterator[tuple[Diagnosis, str]]:
    for line in lines:
        if (fault := diagnose([line])).cause not in _NOTHING:
            yield fault, line


def _line(fault: Diagnosis, lines: Sequence[str]) -> str:
    """Return the last line of the fault, because earlier ones may be resolved."""
    shown = [line for one, line in _each(lines) if one.cause == fault.cause]
    return shown[-1] if shown else next((line for line in reversed(lines) if any(end in line for end in _ENDS)), "")


def _finding(fault: Diagnosis, line: str) -> Finding:
    key = f"faults.{fault.cause}"
    words = translate(key) if has(key) else fault.message
    return Finding(
        "log", Level.BROKEN, words, translate("doctor.log_line", line=line), {"cause": fault.cause, "line": line}
    )


def _other(cause: str, line: str) -> Finding:
    return Finding("log", Level.NOTE, translate("doctor.log_also", line=line), "", {"cause": cause, "line": line})
