"""The keeper's own limit on a running job, for a worker that is stopped or stuck. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpu.engine.launch_spec import LaunchSpec

#: A worker ends its job by its own limits; the keeper waits so many seconds longer before it takes the console back.
GRACE_S = 15.0


def overdue_at(launch: LaunchSpec, started_at: float, progress: Mapping[str, Any]) -> float | None:
    """The monotonic second at which the keeper takes the console back; None while no limit is set.

    `progress` is what the worker has reported last. Before the first token the worker may wait for the console to read
    the line as well, so both limits on silence count.
    """
    silence, times = launch.stall_timeout_s, []
    if "tokens_at" in progress:
        if silence:
            times.append(progress["tokens_at"] + silence)
    elif silence and launch.first_token_timeout_s:
        times.append(started_at + silence + launch.first_token_timeout_s)
    if launch.job_timeout_s:
        times.append(started_at + silence + launch.job_timeout_s)
    return min(times) + GRACE_S if times else None
