"""Computes the keeper's time limit on a running job.

It is for a worker that is stopped or stuck. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpu.console.profiles import PROFILES
from bpu.engine.launch_spec import LaunchSpec

#: Seconds that the keeper waits beyond the worker's own limits before it ends the console.
GRACE_S = 15.0


def overdue_at(launch: LaunchSpec, started_at: float, progress: Mapping[str, Any]) -> float | None:
    """Return the monotonic second at which the keeper ends the console.

    Return None while no limit is set. `progress` is the worker's last report. Before the first token both limits on
    silence are added, because the worker may also wait for the console to read the line, and that of the step that
    reads images, which may come before it.
    """
    silence, times = launch.stall_timeout_s, []
    if PROFILES[launch.profile].image_command:
        if not launch.image_timeout_s:
            return None
        started_at += launch.image_timeout_s
    if "tokens_at" in progress:
        if silence:
            times.append(progress["tokens_at"] + silence)
    elif silence and launch.first_token_timeout_s:
        times.append(started_at + silence + launch.first_token_timeout_s)
    if launch.job_timeout_s:
        times.append(started_at + silence + launch.job_timeout_s)
    return min(times) + GRACE_S if times else None
