"""Defines the scripts that the fuzzer makes: what a parser's owner does and what it reads, as one string of bytes.

A script is the name of a console (`tests.unit.console.consoles`), with `!` after it if its traits are known from
earlier turns, and then steps. A step is the byte FF, one letter of `Do` and its data:

    xlm_demo FF r FF f [DNN] x\n\n FF f [User] <<<  FF q     (without the blanks between bytes)

Every string of bytes is a script, so that a fuzzer can change any byte: an unknown name stands for some console, and
an unknown letter for a read. A step that would not be legal in the parser's state is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from bpu.console.line_encoding import encode_line
from bpu.console.traits import UNKNOWN_TRAITS, Traits
from tests.unit.console.consoles import CONSOLES, Console, hear

STEP = b"\xff"
#: Stands between the question and the answer of a turn, and for the byte FF in a read.
BETWEEN = b"\xfe"

_KNOWN = b"!"
_STEP_S = 0.05
#: The seconds between a read and the one before it, by letter.
GAPS = {b"f": 0.0, b"1": 0.0005, b"2": 0.002, b"3": 0.01, b"4": 0.05, b"5": 0.5, b"6": 5.0}


class Do(Enum):
    READ = b"f"  # with the data that is read
    BEGIN = b"b"  # with the line that is written
    CONTINUE = b"c"  # the same, within a conversation
    RESET = b"r"
    RESET_AT_ONCE = b"R"
    QUIET = b"q"
    TURN = b"t"  # a question, `BETWEEN`, and the answer, printed as this console prints a turn
    END = b"e"


@dataclass(frozen=True)
class Step:
    do: Do
    data: bytes = b""
    gap_s: float = 0.0


@dataclass(frozen=True)
class Script:
    console: Console
    traits: Traits
    steps: tuple[Step, ...]


def parse(data: bytes) -> Script:
    """The script that `data` means."""
    name, *parts = data.split(STEP)
    console = _console(name.removesuffix(_KNOWN))
    traits = _known_traits(console) if name.endswith(_KNOWN) else UNKNOWN_TRAITS
    return Script(console, traits, tuple(_steps(parts)))


def _console(name: bytes) -> Console:
    named = [console for console in CONSOLES if console.name.encode() == name]
    return named[0] if named else CONSOLES[sum(name) % len(CONSOLES)]


def _known_traits(console: Console) -> Traits:
    """What earlier turns have shown of `console`."""
    parser = console.asked(b"line")
    hear(parser, [console.output(b"line", b"answer")])
    report = parser.report()
    return Traits(step_s=_STEP_S, statistics=report.statistics, echoes=(report.echo,) if report.echo else ())


def _steps(parts: list[bytes]) -> Iterator[Step]:
    for part in parts:
        letter, data = part[:1], part[1:]
        if letter in {do.value for do in Do} - {Do.READ.value}:
            yield Step(Do(letter), data)
        else:
            yield Step(Do.READ, data.replace(BETWEEN, STEP), GAPS.get(letter, 0.0))


def line_of(text: bytes, console: Console) -> bytes:
    """`text` as a line that may be written to `console`."""
    return encode_line(text.decode("utf-8", "replace"), profile=console.profile, limit=0)
