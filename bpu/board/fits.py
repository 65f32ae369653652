"""Decides whether the board's pools hold a model, and which mode of the pools would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bpu.board.layout import board_model
from bpu.board.modes import modes_for
from bpu.board.pools import LINUX_ROOM
from bpu.board.readings import ion_pools, meminfo
from bpu.models.catalogue import need_of
from bpu.models.memory import Fit, Need, fit, smallest_mode
from bpu.models.spec import ModelSpec

#: It holds frame buffers; no model was seen to use it.
_NOT_FOR_MODELS = "ion_uncache"


@dataclass(frozen=True)
class Verdict:
    """Whether a model fits.

    `now` is None if the board shows no pools or the model's need is unknown. `mode` would hold it, with `sure` its
    weights in one pool; None: no mode of this board holds it.
    """

    need: Need | None
    now: Fit | None = None
    mode: str | None = None
    sure: bool = False


def verdict(model: ModelSpec, root: Path = Path("/")) -> Verdict:
    """Compare a model with the pools of the running system."""
    need = need_of(model)
    pools = {pool["name"]: int(pool["total"]) for pool in ion_pools(root)}
    usable = usable_sizes(pools)
    if need is None or not usable:
        return Verdict(need)
    now = fit(need, usable)
    if now is Fit.FITS:
        return Verdict(need, now)
    total = meminfo(root).get("MemTotal")
    most = None if total is None else total + sum(pools.values()) - LINUX_ROOM
    modes = {name: usable_sizes(mode.sizes) for name, mode in modes_for(board_model(root)).items()}
    best = smallest_mode(need, modes, most)
    return Verdict(need, now, *((best[0], best[1] is Fit.FITS) if best else (None, False)))


def usable_sizes(pools: Mapping[str, int]) -> list[int]:
    """Return the sizes of the pools that a model can use."""
    return [size for name, size in pools.items() if name != _NOT_FOR_MODELS]
