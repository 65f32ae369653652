"""Runs all checks of `doctor` on a board or another machine. It changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bpu.board.checks.files import check_files
from bpu.board.checks.finding import Finding, Level, finding
from bpu.board.checks.memory import check_memory
from bpu.board.checks.network import check_network
from bpu.board.checks.subject import Subject
from bpu.board.checks.system import check_system

CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (check_system, check_files, check_memory, check_network)


def examine(subject: Subject, checks: tuple[Callable[[Subject], Iterator[Finding]], ...] = CHECKS) -> Iterator[Finding]:
    """Yield the findings of all checks in order.

    A check that raises is a finding, and the others still run.
    """
    for check in checks:
        try:
            yield from check(subject)
        except Exception as error:
            name = check.__name__.removeprefix("check_")
            yield finding(name, Level.WARNING, "check_failed", name=name, reason=repr(error))
