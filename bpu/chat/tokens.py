"""Counts tokens by the model's own tokenizer, or by a stated estimate without it.

The estimate: one token for a Chinese, Japanese or Korean character, for up to four ASCII letters or digits
(a blank before them included), for a run of up to 16 blanks, and for every other character; two for a
character outside the basic plane. Measured against byte-pair vocabularies it errs on the high side.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from bpu.errors import SettingsError

Ends = Callable[[str], Sequence[int]]

_GUESS = re.compile(r" ?[A-Za-z0-9]{1,4}|\s{1,16}|.", re.DOTALL)
#: A longer open segment is closed at the next place that no token can cross.
_SEGMENT = 256
#: At this length a segment is closed anywhere, so that the cost stays linear (in a run of letters only).
_MAX_SEGMENT = 1024


def _guess(text: str) -> list[int]:
    ends: list[int] = []
    for match in _GUESS.finditer(text):
        ends += [match.end()] * (2 if match.group() > "\uffff" else 1)
    return ends


class Vocabulary:
    """The model's own tokens by their ids. `tokenizer` is a `tokenizers.Tokenizer`."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.size: int = tokenizer.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str, *, add_special: bool = False) -> list[int]:
        """Return token ids; `add_special` adds what the model expects around a text."""
        return list(self._tokenizer.encode(text, add_special_tokens=add_special).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of `tokens`, each an id below `size`, with special tokens."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=False))

    def piece(self, token: int) -> str | list[int]:
        """Return the text of one token, or its bytes where they are no whole characters."""
        text, raw = self.decode([token]), self._tokenizer.id_to_token(token) or ""
        if _SENTENCE_BLANK in raw:
            return str(raw.replace(_SENTENCE_BLANK, " "))
        if "\ufffd" not in text:
            return text
        if byte := _BYTE_TOKEN.fullmatch(raw):
            return [int(byte[1], 16)]
        return [_byte_alphabet()[letter] for letter in raw] if set(raw) <= _byte_alphabet().keys() else text


#: A blank, and a byte that is no character, in vocabularies of SentencePiece.
_SENTENCE_BLANK = "\u2581"
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@cache
def _byte_alphabet() -> dict[str, int]:
    """Map the letters of byte-level vocabularies to their bytes (GPT-2's `bytes_to_unicode`)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + at): byte for at, byte in enumerate(others)}


class Tokens(NamedTuple):
    """A tokenizer's functions.

    They tell where each token of a text ends, and, faster, how many there are. `vocabulary` is None for the estimate.
    """

    ends: Ends
    count: Callable[[str], int]
    vocabulary: Vocabulary | None = None


ESTIMATE = Tokens(_guess, lambda text: len(_guess(text)))


class Counter:
    """Counts the tokens of a text.

    `ends(text)` returns the character index at which each token ends.
    """

    def __init__(self, load: Callable[[], Tokens] | None = None) -> None:
        """`load` returns the tokenizer's functions and is called once, at the first use.

        If it is None, the estimate is used.
        """
        self._load = load

    @property
    def exact(self) -> bool:
        """Whether the model's own tokenizer counts."""
        return self._load is not None

    @cached_property
    def _tokens(self) -> Tokens:
        return self._load() if self._load else ESTIMATE

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The model's own tokens; None for the estimate."""
        return self._tokens.vocabulary

    def ends(self, text: str) -> Sequence[int]:
        """Return the character after each token of `text`; estimated without a tokenizer."""
        return self._tokens.ends(text)

    def count(self, text: str) -> int:
        """Count the tokens of `text`; estimated without a tokenizer."""
        return self._tokens.count(text) if text else 0


class IncrementalTokenCounter:
    """Counts the tokens of a text that arrives in pieces, at linear cost.

    The text is counted in segments. Split points: after a letter, before a non-letter that is not a combining mark,
    because byte-level vocabularies never join there. Only a run of more than 1024 letters may count one token too many.
    """

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._closed = 0
        self._open = ""

    @property
    def total(self) -> int:
        """Tokens of all pieces so far, counted as one text."""
        return self._closed + self._counter.count(self._open)

    def add(self, piece: str) -> None:
        """Add the next piece of the text; a long piece is counted in parts."""
        if len(self._open) + len(piece) <= _SEGMENT:
            self._open += piece
            return
        # In parts, because counting the tokens of a long text takes over a hundred times its memory.
        for start in range(0, len(piece), _MAX_SEGMENT):
            self._open += piece[start : start + _MAX_SEGMENT]
            while len(self._open) > _SEGMENT and (cut := self._boundary()):
                self._closed += self._counter.count(self._open[:cut])
                self._open = self._open[cut:]

    def room(self, piece: str, most: int) -> int:
        """Return how many characters of `piece` may be added before the total exceeds `most` tokens."""
        text = self._open + piece
        left = most - self._closed
        # No token is shorter than a byte, so most of an answer need not be tokenized.
        if len(text.encode("utf-8", "replace")) < left:
            return len(piece)
        ends = self._counter.ends(text)
        if len(ends) <= left:
            return len(piece)
        # A character of several tokens, as many Chinese ones and emoji are, fits with all of them or not at all.
        while left > 0 and ends[left - 1] == ends[left]:
            left -= 1
        return max(0, (ends[left - 1] if left > 0 else 0) - len(self._open))

    def _boundary(self) -> int:
        """Where the open segment may be closed, 0 for nowhere yet."""
        text = self._open
        for at in range(len(text) - 1, max(0, len(text) - _MAX_SEGMENT), -1):
            if text[at - 1].isalpha() and not text[at].isalpha() and unicodedata.category(text[at])[0] != "M":
                return at
        return _MAX_SEGMENT if len(text) > _MAX_SEGMENT else 0


def load_counter(tokenizer_dir: Path | None) -> Counter:
    """Return the counter of the model with `tokenizer.json` in `tokenizer_dir`; the estimate without that file.

    The file is read at the first count (a large vocabulary takes 100 MB and most of a second). A file that cannot be
    read is a `SettingsError` then.
    """
    if tokenizer_dir is None or not (tokenizer_dir / "tokenizer.json").is_file():
        return Counter()
    path = tokenizer_dir / "tokenizer.json"
    try:
        import tokenizers
    except ImportError:
        return Counter()
    return Counter(lambda: _loaded(tokenizers.Tokenizer, path))


def _loaded(kind: Any, path: Path) -> Tokens:
    try:
        tokenizer = kind.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise SettingsError(
            f"BPU_TOKENIZER_DIR: {path} is no tokenizer ({error}). Copy the model's own file."
        ) from None
    # A batch of one needs no threads, and a forked worker without threads cannot hang on them.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def ends(text: str) -> Sequence[int]:
        return [end for _, end in tokenizer.encode(text, add_special_tokens=False).offsets]

    def count(text: str) -> int:
        # Only the batch function leaves out offsets, which take as long as the tokens themselves.
        (encoding,) = tokenizer.encode_batch_fast([text], add_special_tokens=False)
        return len(encoding)

    return Tokens(ends, count, Vocabulary(tokenizer))
