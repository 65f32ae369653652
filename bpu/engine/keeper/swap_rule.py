"""Decides which model is loaded next, because only one fits into memory.

It is pure; the scheduler calls it. The rule: jobs of the loaded model go first, in their order, until the oldest
waiting job of another model has waited `swap_after_s` since it arrived, and since the loaded model was ready. Then, or
as soon as no job of the loaded model waits, the model of that oldest job is next. With no model in memory, the oldest
job of all decides.

Its cost: a change ends one console and loads another. While jobs of the loaded model wait, that happens at most once in
`swap_after_s` seconds, however many jobs wait and however old they are.

Its bound: a job waits for the jobs that arrived before it, as in one queue; for each other model at most `swap_after_s`
and one answer more, which younger jobs of that model may use; and for the loads between, at most one for each job
before it. No arrival after it can make another model's turn come before its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Demand:
    """A waiting job, or an order to load.

    `fingerprint` names the model, `since` is the monotonic second at which the job or order came.
    """

    fingerprint: str
    since: float


def next_model(
    demands: Iterable[Demand], loaded: str | None, *, ready_since: float, now: float, swap_after_s: float
) -> str | None:
    """Return the model to be loaded next, or to stay loaded; None without demands.

    `demands` are in order of arrival. `loaded` is the model that became ready at the monotonic second `ready_since`.
    """
    waiting = list(demands)
    others = [demand for demand in waiting if demand.fingerprint != loaded]
    if not others:
        return loaded if waiting else None
    oldest = others[0]
    has_own = loaded is not None and len(others) < len(waiting)
    if has_own and now < max(oldest.since, ready_since) + swap_after_s:
        return loaded
    return oldest.fingerprint
