"""The named modes of the ION pools: sizes by board, each with its source.

It is pure data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bpu.board.errors import BoardError, InvalidPoolRequest
from bpu.board.sizes import GIB, MIB

MODES = ("bpu_first", "bpu_large", "balanced", "cpu_first", "default")

#: The modes that the vendor's own script has.
VENDOR_MODES = ("bpu_first", "balanced", "cpu_first", "default")


@dataclass(frozen=True)
class Mode:
    """Bytes of each pool by its node's name; other pools keep their size.

    `source` is a key of the messages.
    """

    sizes: Mapping[str, int]
    source: str

    @property
    def total(self) -> int:
        """Bytes of all pools together."""
        return sum(self.sizes.values())


def _sizes(reserved: int, carveout: int, cma: int, **others: int) -> dict[str, int]:
    return {"ion_reserved": reserved, "ion_carveout": carveout, "ion_cma": cma, **others}


#: The model's weights are one contiguous buffer in `carveout`, its workspace lies in `cma_reserved` (measured on S600);
#: if a heap is full the kernel tries another, but never two for one buffer. So the carveout must hold the model file,
#: and 2304 MiB hold the 2132 MiB of the article's model.
S100 = {
    "default": Mode(_sizes(GIB, 512 * MIB, 512 * MIB), "source_vendor"),
    "bpu_first": Mode(_sizes(GIB, 2304 * MIB, 512 * MIB), "source_article"),
    # For MiniCPM5-2B, whose 2.9 GB must be in one piece, and models of 7B, which do not fit into one pool.
    "bpu_large": Mode(_sizes(3840 * MIB, 3840 * MIB, GIB), "source_minicpm5"),
    "balanced": Mode(_sizes(512 * MIB, 2304 * MIB, 256 * MIB), "source_own"),
    "cpu_first": Mode(_sizes(512 * MIB, 256 * MIB, 256 * MIB), "source_own"),
}
S600 = {
    "default": Mode(_sizes(2 * GIB, 2 * GIB, GIB, ion_uncache=2 * GIB), "source_vendor"),
    "cpu_first": Mode(_sizes(2 * GIB, 2 * GIB, GIB, ion_uncache=2 * GIB), "source_measured"),
    "balanced": Mode(_sizes(2 * GIB, 10 * GIB, 2 * GIB, ion_uncache=2 * GIB), "source_measured"),
    "bpu_first": Mode(_sizes(2 * GIB, 18360 * MIB, 2 * GIB, ion_uncache=2 * GIB), "source_reported"),
}


def modes_for(model: str) -> Mapping[str, Mode]:
    """Return the modes of the board with the device tree model `model`.

    It is empty for an unknown board.
    """
    name = model.upper()
    if "S600" in name:
        return S600
    return S100 if "S100" in name else {}


def mode(model: str, name: str) -> Mode:
    """Return one mode. Raises `BoardError` for an unknown board or mode."""
    found = modes_for(model)
    if not found:
        raise BoardError("ion.unknown_board", model=model or "?")
    if name not in found:
        raise InvalidPoolRequest("ion.no_such_mode", name=name, modes=", ".join(found))
    return found[name]
