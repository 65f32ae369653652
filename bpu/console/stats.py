"""Recognizes the statistics lines of the consoles, and reads their figures as one `Stats`.

It says what a line holds; `AnswerStage` decides whether it is the console's or the model's. Sources of the patterns:
docs/console-protocol.md#statistics.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

from bpu.console.events import Stats
from bpu.console.scanner import INCOMPLETE, NO_MATCH, template

_FIELDS = {
    b"#": re.compile(rb"[0-9]{1,20}"),
    b"%f": re.compile(rb"[-0-9.naif]{1,32}"),
    b"~": re.compile(rb"[ \t]{0,16}"),
    b"*": re.compile(rb"[^\n]{0,1000}"),
}
#: The head of the lines whose text is free.
_FREE_HEAD = b"[Performance]"
_LINE_PATTERNS = (
    template("vit", b"===== vit cost:~%f ms, vit infer cost:~%f ms =====~\n", _FIELDS),
    template("performance", b"Performance prefill:~%f~tokens/s~decode:~%f~tokens/s~\n", _FIELDS),
    template(
        "prefill", b"===== prefill token num:~# prefill cost:~%f ms, prefill speed:~%f tokens/s =====~\n", _FIELDS
    ),
    template("decode", b"===== decode token num:~# cost per token:~%f ms, decode speed:~%f tokens/s =====~\n", _FIELDS),
    template("tps", b"[Performance] prefill TPS:~%f~tokens/s~decode TPS:~%f~tokens/s~\n", _FIELDS),
    template("other", _FREE_HEAD + b"*\n", _FIELDS),
)

#: With these bytes the statistics lines begin.
STATISTICS_HEADS = tuple(part for pattern in _LINE_PATTERNS if isinstance(part := pattern.parts[0], bytes))

#: How many line breaks a console puts between the answer and its first statistics line (VLM: a blank line).
BREAKS = {"vit": 2, "performance": 1, "prefill": 2, "decode": 2, "tps": 1, "other": 1}

#: Kinds that come before the usual statistics of a turn now and then: the vision model's, after an image.
LEADING = ("vit",)

#: The kinds that may follow a line of each kind. A console prints one set only: of two, the first is text.
FOLLOWERS: dict[str, tuple[str, ...]] = {
    "vit": ("prefill", "decode"),
    "performance": (),
    "prefill": ("decode",),
    "decode": (),
    "tps": (),
    "other": (),
}

_PHASE = re.compile(r"(prefill|decode|\bvit\b)", re.IGNORECASE)
_FIGURES = {
    "per_second": re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:tokens?|tok|t)/s", re.IGNORECASE),
    "tokens": re.compile(r"(?:token num:\s*|(?=[0-9]+\s*tokens?\b(?!/)))([0-9]+)", re.IGNORECASE),
    "ms": re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*ms(?!\s*(?:/|per))", re.IGNORECASE),
    "ms_per_token": re.compile(r"(?:per |/)token:?\s*([0-9]+(?:\.[0-9]+)?)\s*ms", re.IGNORECASE),
}
_KNOWN = frozenset(Stats.__dataclass_fields__)


def match_line(text: bytes, at: int, kinds: Container[str]) -> tuple[str, int]:
    """The kind (one of `kinds`) and end of the statistics line at `at`.

    Where there is none, it is "" and what `Pattern.match` returns.
    """
    for pattern in _LINE_PATTERNS:
        end = pattern.match(text, at) if pattern.name in kinds else NO_MATCH
        if end != NO_MATCH:
            return ("", INCOMPLETE) if end == INCOMPLETE else (pattern.name, end)
    return "", NO_MATCH


def parse(lines: Iterable[bytes]) -> Stats:
    """Read all figures of one turn's statistics lines.

    What a line does not hold as a number stays None. A line is read clause by clause: what follows the word `prefill`
    or `decode` belongs to that phase.
    """
    found = {name: value for name, (value, _) in _figures(lines).items() if name in _KNOWN}
    return Stats(**found)  # type: ignore[arg-type]


def known_part(lines: Iterable[bytes]) -> bytes:
    """Return the bytes of the lines that their patterns fix.

    Of a line of free text these are its head and figures, because a model can fill the rest with words of fewer tokens
    than they seem to have.
    """
    return b"".join(_known_part_of(line) for line in lines)


def _known_part_of(line: bytes) -> bytes:
    if not line.startswith(_FREE_HEAD) or kind_of(line) != "other":
        return line
    figures = (f"{name.partition('_')[0]} {words} " for name, (_, words) in _figures([line]).items())
    return b"[Performance] " + "".join(figures).encode() + b"\n"


def kind_of(line: bytes) -> str:
    """Return the kind of a whole statistics line."""
    return match_line(line, 0, BREAKS)[0]


def is_complete(figures: Stats) -> bool:
    """Whether the lines of a turn held the speeds of prefill and decode.

    All known statistics lines have them.
    """
    return figures.prefill_per_second is not None and figures.decode_per_second is not None


def _figures(lines: Iterable[bytes]) -> dict[str, tuple[float, str]]:
    """Return the first figure of each name in the lines, and the text of it."""
    found: dict[str, tuple[float, str]] = {}
    for line in lines:
        _, *clauses = _PHASE.split(line.decode("utf-8", "replace"))
        for phase, clause in zip(clauses[::2], clauses[1::2], strict=True):
            for name, regex in _FIGURES.items():
                if (figure := regex.search(clause)) is not None:
                    value = int(figure[1]) if name == "tokens" else float(figure[1])
                    found.setdefault(f"{phase.lower()}_{name}", (value, figure[0]))
    return found
