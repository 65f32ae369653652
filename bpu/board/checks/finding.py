"""The result of a check as a value. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bpu.messages import translate


class Level(enum.IntEnum):
    """The severity of a finding.

    The highest one (a NOTE counts as FINE) is the exit code of `doctor`.
    """

    NOTE = -1
    FINE = 0
    WARNING = 1
    BROKEN = 2


@dataclass(frozen=True)
class Finding:
    """One result of a check.

    A stable name, sentences for a person (`said`, `remedy`), and `facts` for programs.
    """

    check: str
    level: Level
    said: str
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON values, for `--json` and the page."""
        return {
            "check": self.check,
            "level": self.level.name.lower(),
            "said": self.said,
            "remedy": self.remedy,
            "facts": dict(self.facts),
        }


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0 if all is fine, 1 with warnings, 2 with failures."""
    return max([Level.FINE, *(finding.level for finding in findings)]).value


def finding(check: str, level: Level, key: str, remedy: str = "", **values: Any) -> Finding:
    """Make a finding from the messages `doctor.KEY` and `doctor.REMEDY`.

    `values` fill both and are its facts.
    """
    words = translate(f"doctor.{key}", **values)
    way = translate(f"doctor.{remedy}", **values) if remedy else ""
    plain = {name: value if isinstance(value, (int, float, bool)) else str(value) for name, value in values.items()}
    return Finding(check, level, words, way, plain)


def success(check: str, key: str, **values: Any) -> Finding:
    """Make a finding of something that is as it should be."""
    return finding(check, Level.FINE, key, **values)


def note(check: str, key: str, remedy: str = "", **values: Any) -> Finding:
    """Make a finding that a person should know and that is no fault."""
    return finding(check, Level.NOTE, key, remedy, **values)


def warning(check: str, key: str, remedy: str, **values: Any) -> Finding:
    """Make a finding of something that works and may fail; it sets exit code 1."""
    return finding(check, Level.WARNING, key, remedy, **values)


def failure(check: str, key: str, remedy: str, **values: Any) -> Finding:
    """Make a finding of something that does not work; it sets exit code 2."""
    return finding(check, Level.BROKEN, key, remedy, **values)
