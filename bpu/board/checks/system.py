"""Checks the board, its system and its clocks."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from bpu import __version__
from bpu.board.checks.finding import Finding, note, success, warning
from bpu.board.checks.subject import Subject
from bpu.board.layout import board_model, known_board
from bpu.board.performance import clocks, script
from bpu.board.readings import text_of
from bpu.models.names import WITHOUT_CONSOLE

#: Files with the version of the system, the vendor's first.
VERSIONS = ("etc/version", "etc/os-release")


def check_system(subject: Subject) -> Iterator[Finding]:
    """Check board and system; on a board also its clocks."""
    yield _board(subject)
    yield _version(subject)
    if subject.board:
        yield _performance(subject)


def _board(subject: Subject) -> Finding:
    if subject.board:
        return success("board", "board", model=subject.board)
    if known_board(subject.root) in WITHOUT_CONSOLE:
        return warning("board", "board_without_console", "use_processor", model=board_model(subject.root))
    return note("board", "no_board")


def _version(subject: Subject) -> Finding:
    vendor, release = (text_of(subject.root / path) for path in VERSIONS)
    names = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    system = names.get("PRETTY_NAME", "").strip('"') or platform.system()
    own = vendor.strip().splitlines()
    words = f"{system}, {own[0].strip()}" if own else system
    return success("system", "system", system=words, python=platform.python_version(), gateway=__version__)


def _performance(subject: Subject) -> Finding:
    found = clocks(subject.root)
    slow = [clock.name for clock in found if clock.offers and not clock.fast]
    if slow:
        return warning("performance", "clocks_slow", "perf_on", names=", ".join(slow))
    if found:
        return success("performance", "clocks_fast", names=", ".join(clock.name for clock in found))
    has_script = script(subject.settings.runtime_dir) is not None
    return note("performance", "clocks_unknown", "perf_on" if has_script else "")
