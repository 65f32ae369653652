"""Turns text into model tokens: byte-level BPE read from a `tokenizer.json`, in plain Python.

The simulator counts the same tokens as the gateway, so that both reach a limit at the same token.
Its pattern uses explicit ASCII classes only, because those mean the same in every regular expression engine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

MODEL_DIR = Path(__file__).parent / "model"

#: Splits text into words; `model/tokenizer.json` carries the same one. Bounded, so that a long run stays cheap.
WORDS = (
    r" ?[A-Za-z]{1,24}|[0-9]| ?[!-/:-@\[-`{-~]{1,8}|[\r\n]{1,4}| ?[^\x00-\x7f]{1,4}"
    r"| {1,16}(?= )|[\x00-\x20\x7f]"
)


def byte_alphabet() -> dict[int, str]:
    """The printable character that stands for each byte in byte-level vocabularies (GPT-2's convention)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {**{byte: chr(byte) for byte in plain}, **{byte: chr(256 + i) for i, byte in enumerate(others)}}


class Tokenizer:
    """Encodes texts; the bytes of all tokens, joined, are the text again."""

    def __init__(self, merges: Mapping[tuple[str, str], int], specials: Sequence[str], words: str = WORDS) -> None:
        self._ranks = merges
        self._words = re.compile(words)
        self._specials = re.compile("(" + "|".join(map(re.escape, specials)) + ")") if specials else None
        self._special = frozenset(specials)
        self._alphabet = byte_alphabet()
        self._bytes = {character: byte for byte, character in self._alphabet.items()}
        self._known: dict[str, list[bytes]] = {}

    def count(self, text: str) -> int:
        """Count the tokens of `text`."""
        return sum(1 for _ in self._pieces(text))

    def encode(self, text: str) -> list[bytes]:
        """Return the bytes of each token; a token may end inside a character."""
        return list(self._pieces(text))

    def _pieces(self, text: str) -> Iterator[bytes]:
        for part in self._specials.split(text) if self._specials else [text]:
            if part in self._special:
                yield part.encode()
                continue
            for match in self._words.finditer(part):
                yield from self._word(match.group())

    def _word(self, word: str) -> list[bytes]:
        if word not in self._known:
            if len(self._known) > 50_000:
                self._known.clear()
            symbols = self._merged([self._alphabet[byte] for byte in word.encode("utf-8", "surrogateescape")])
            self._known[word] = [bytes(self._bytes[character] for character in symbol) for symbol in symbols]
        return self._known[word]

    def _merged(self, symbols: list[str]) -> list[str]:
        never = len(self._ranks)
        while len(symbols) > 1:
            ranks = [self._ranks.get(pair, never) for pair in pairwise(symbols)]
            best = min(ranks)
            if best == never:
                break
            at = ranks.index(best)
            symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
        return symbols


def load_tokenizer(folder: Path | None) -> Tokenizer:
    """Load the tokenizer of `folder`, or the simulator's own where it cannot be read."""
    try:
        return _from_json((folder or MODEL_DIR) / "tokenizer.json")
    except (OSError, ValueError, KeyError, TypeError):
        return _from_json(MODEL_DIR / "tokenizer.json")


def _from_json(path: Path) -> Tokenizer:
    data = json.loads(path.read_text(encoding="utf-8"))
    pairs = (merge.split(" ") if isinstance(merge, str) else merge for merge in data["model"]["merges"])
    merges = {(first, second): rank for rank, (first, second) in enumerate(pairs)}
    specials = [added["content"] for added in data.get("added_tokens") or []]
    return Tokenizer(merges, sorted(specials, key=len, reverse=True), _words_of(data.get("pre_tokenizer") or {}))


def _words_of(pre_tokenizer: Mapping[str, Any]) -> str:
    """The file's own pattern where Python's `re` understands it, which has no `\\p{L}`; else `WORDS`."""
    for step in pre_tokenizer.get("pretokenizers") or [pre_tokenizer]:
        pattern = (step.get("pattern") or {}).get("Regex")
        try:
            if pattern:
                re.compile(pattern)
                return str(pattern)
        except re.error:
            pass
    return WORDS


def whole_characters(pieces: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
    """Join pieces until none ends inside a UTF-8 character; each with its number of tokens."""
    held, tokens = b"", 0
    for piece in pieces:
        held, tokens = held + piece, tokens + 1
        if _complete(held):
            yield held, tokens
            held, tokens = b"", 0
    if held:
        yield held, tokens


def _complete(data: bytes) -> bool:
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            need = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back >= need
        if byte < 0x80:
            return True
    return True


def cut_characters(pieces: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
    """Cut pieces so that every character of several bytes spans two of them."""
    for piece in pieces:
        start = 0
        for at in range(len(piece)):
            if piece[at] >= 0xC0:
                yield piece[start : at + 1], int(start == 0)
                start = at + 1
        if start < len(piece):
            yield piece[start:], int(start == 0)
