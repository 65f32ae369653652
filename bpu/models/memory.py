"""Compares a model's need of BPU memory with the pools. Pure.

A buffer must fit into one pool, so a model needs one large pool for its weights and a total for all buffers. Figures
of the catalogue were measured or published; otherwise the file's size decides.
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
    """FITS: certain.

    PERHAPS: the total suffices, but no single pool holds the weights. TOO_LARGE: cannot load.
    """

    FITS = "fits"
    PERHAPS = "perhaps"
    TOO_LARGE = "too large"


@dataclass(frozen=True)
class Need:
    """Bytes in total, and of the largest single buffer.

    `source` is where the figures are from.
    """

    total: int
    largest: int
    source: Literal["entry", "catalogue", "file"]


def need_of_file(size: int, facts: NameFacts) -> Need:
    """Estimate the need by the file's size.

    The S600 also needs workspace for its KV cache.
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
    """Return the smallest mode that holds the model; None if none does.

    A mode that certainly holds it is preferred to one that may. `modes` are the sizes of pools by mode; `most` is the
    limit of all pools together on this board, None if unknown.
    """
    possible = {name: sizes for name, sizes in modes.items() if most is None or sum(sizes) <= most}
    for wanted in (Fit.FITS, Fit.PERHAPS):
        found = [(sum(sizes), name) for name, sizes in possible.items() if fit(need, sizes) is wanted]
        if found:
            return min(found)[1], wanted
    return None
