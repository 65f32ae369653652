"""Checks whether the BPU's memory pools can hold the next model. Standard library only.

The scheduler calls it before it ends the loaded model. The pools' sizes are those of the device tree; what other
programs hold is subtracted if the kernel shows it, which it does to root only. Without pools, or if a model's need is
unknown, every model passes.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from bpu.board.processes import holders
from bpu.board.readings import HEAP_OF, ion_pools
from bpu.engine.launch_spec import LaunchSpec
from bpu.models.memory import Fit, Need, fit

#: Holds frame buffers; no model was seen to use it.
_NOT_FOR_MODELS = "ion_uncache"


def shortage(launch: LaunchSpec, own: Collection[int] = ()) -> str:
    """Say in figures why the pools cannot hold the model of `launch`.

    Return "" when they can. `own` are the processes whose memory will be free by then.
    """
    root = Path(launch.sysfs)
    pools = {pool["name"]: int(pool["total"]) for pool in ion_pools(root) if pool["name"] != _NOT_FOR_MODELS}
    if not launch.need_bytes or not pools:
        return ""
    taken = dict.fromkeys(pools, 0)
    for holder in holders(root) or ():
        if holder.process.pid not in own:
            for name in pools:
                taken[name] += holder.heaps.get(HEAP_OF.get(name, name), 0)
    free = [max(0, size - taken[name]) for name, size in pools.items()]
    need = Need(launch.need_bytes, launch.largest_bytes or launch.need_bytes, "entry")
    if fit(need, free) is not Fit.TOO_LARGE:
        return ""
    figures = ", ".join(
        f"{name} {_gib(size)}" + (f" of which others hold {_gib(taken[name])}" if taken[name] else "")
        for name, size in pools.items()
    )
    return (
        f"The model {launch.model} needs {_gib(need.total)} of the BPU's memory, and the pools hold {_gib(sum(free))} "
        f"({figures}). The loaded model stays. Enlarge the pools (`ion plan`), or end what holds them."
    )


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.2f} GiB"
