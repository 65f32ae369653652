"""Reads the name of a model file: kind, context, board, cores. Pure.

The patterns are those of the vendor's own compilers and archives, collected from public file lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["language", "vision", "other"]
Board = Literal["S100", "S100P", "S600", "X5", "X3"]
#: Boards for whose BPU no console program of a language model is known; no model of the others runs on them.
WITHOUT_CONSOLE: tuple[Board, ...] = ("X5", "X3")

#: The compiler's name of each BPU generation, and the board that has it.
MARCHES: dict[str, Board] = {"nash-e": "S100", "nash-m": "S100P", "nash-p": "S600"}

_LANGUAGE = re.compile(
    r"_language_chunk_(?P<chunk>\d+)_cache_(?P<context>\d+)_w\d+_(?P<march>nash-[emp])_corenum_(?P<cores>\d+)_\d+\.hbm$"
)
_VISION = re.compile(r"_vision_\d+x\d+_w8(?:-4)?_(?P<march>nash-[emp])_corenum_(?P<cores>\d+)\.hbm$")
_BY_BOARD = re.compile(r"_ctx(?P<context>\d+)_(?P<board>s100p?|s600)\.hbm$")
_BY_CACHE = re.compile(r"chunk_(?P<chunk>\d+)_cache_(?P<context>\d+)_(?:q8|ptq)\.hbm$")
_PLAIN = re.compile(r"_(?P<context>\d{3,6})\.hbm$")
_MARCH = re.compile(r"(?P<march>nash-[emp])")
#: The first match gives all facts.
_PATTERNS = (_LANGUAGE, _VISION, _BY_BOARD, _BY_CACHE, _PLAIN, _MARCH)

#: Speech, robot control and images: files of the same SDKs that no chat console loads.
_OTHER = re.compile(r"whisper|^pi0|_audio_|_action_|_vit_|vit_model|_(?:visual|audio)\.hbm$", re.IGNORECASE)


@dataclass(frozen=True)
class NameFacts:
    """Facts in a file name; None if it does not have them.

    `context` and `chunk` are tokens.
    """

    kind: Kind = "language"
    context: int | None = None
    chunk: int | None = None
    board: Board | None = None
    cores: int | None = None


def read_name(name: str) -> NameFacts:
    """Parse the facts in the name of a model file."""
    if _OTHER.search(name):
        return NameFacts("other")
    found = next((match for pattern in _PATTERNS if (match := pattern.search(name))), None)
    if found is None:
        return NameFacts()
    facts = found.groupdict()
    board = MARCHES.get(facts.get("march") or "") or _board(facts.get("board"))
    kind: Kind = "vision" if found.re is _VISION else "language"
    return NameFacts(kind, _number(facts, "context"), _number(facts, "chunk"), board, _number(facts, "cores"))


def board_of(model: str) -> Board | None:
    """Return the board that a device tree's `model` names; None for another machine."""
    boards: tuple[Board, ...] = ("S600", "S100P", "S100", *WITHOUT_CONSOLE)
    return next((board for board in boards if re.search(rf"(?<![A-Z0-9]){board}(?![0-9])", model.upper())), None)


def can_run(made_for: Board | None, board: Board | None) -> bool:
    """Whether a file made for one board may run on another.

    An S100 has run files of the S100P; the S600 differs.
    """
    if made_for is None or board is None:
        return True
    return board not in WITHOUT_CONSOLE and (made_for == "S600") == (board == "S600")


def _board(text: str | None) -> Board | None:
    return board_of(text) if text else None


def _number(facts: dict[str, str | None], key: str) -> int | None:
    text = facts.get(key)
    return int(text) if text else None
