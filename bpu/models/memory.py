"""Compares what a model needs of the BPU's memory with the pools. Pure.

One buffer lies in one pool, and several buffers may lie in several: a model needs a largest pool for its weights and
a total for everything. Figures of the catalogue were measured or published; without one the file's size decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from bpu.models.names import NameFacts

MIB = 1 << 20
#: Bytes that the S600 takes beside the file at a cache of 4096 tokens, for small models (up to 1.7B) and larger ones;
#: the vendor's compiler makes it grow with the cache (measured at 1024 and 4096).
_SMALL_EXTRA, _LARGE_EXTRA = 1_900_000_000, 3_700_000_000
_LARGE_FILE = 2_500_000_000
_CACHE = 4096


class Fit(Enum):
    """FITS: surely. PERHAPS: all pools together hold it, none alone its weights. TOO_LARGE: it cannot be loaded."""

    FITS = "fits"
    PERHAPS = "perhaps"
    TOO_LARGE = "too large"


@dataclass(frozen=True)
class Need:
    """Bytes in all, and of the largest single buffer. `source` says who knows it."""

    total: int
    largest: int
    source: Literal["entry", "catalogue", "file"]


def need_of_file(size: int, facts: NameFacts) -> Need:
    """The need by the file's size.

    The weights are one buffer; the S600 takes workspace for its cache beside them.
    """
    if facts.board != "S600":
        return Need(size, size, "file")
    extra = _LARGE_EXTRA if size > _LARGE_FILE else _SMALL_EXTRA
    return Need(size + extra * (facts.context or _CACHE) // _CACHE, size, "file")


def fit(need: Need, pools: Iterable[int]) -> Fit:
    """Whether pools of these sizes hold a model that needs `need`."""
    sizes = list(pools)
    if sum(sizes) < need.total:
        return Fit.TOO_LARGE
    return Fit.FITS if max(sizes) >= need.largest else Fit.PERHAPS


def smallest_mode(need: Need, modes: Mapping[str, Sequence[int]], most: int | None = None) -> tuple[str, Fit] | None:
    """The smallest mode that holds the model; None if none does.

    A mode that surely holds it comes before one that may. `modes` are the sizes of pools by mode; `most` is what all
    pools together may have on this board, None where that is not known.
    """
    possible = {name: sizes for name, sizes in modes.items() if most is None or sum(sizes) <= most}
    for wanted in (Fit.FITS, Fit.PERHAPS):
        found = [(sum(sizes), name) for name, sizes in possible.items() if fit(need, sizes) is wanted]
        if found:
            return min(found)[1], wanted
    return None
