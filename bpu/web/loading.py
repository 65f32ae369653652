"""Load the model and wait for it, for clients that ask for a loaded model and for nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from bpu.errors import EngineTimeout, EngineUnavailable
from bpu.web.gateway import Gateway

#: How often the state of the engine, which is in memory, is looked at.
PERIOD_S = 0.05
#: States in which the model is in memory.
LOADED = frozenset({"ready", "busy", "checking"})
#: Beyond the engine's own limit for a load, the time for the order itself to arrive.
SLACK_S = 10.0


def load_and_wait(here: Gateway, clock: Callable[[], float] = time.monotonic) -> None:
    """Load the model; return when it is loaded. Raises `EngineUnavailable` when it cannot be, or `EngineTimeout`."""
    if here.engine.status()["state"] in LOADED:
        return
    here.engine.load()
    begun, pause = clock(), threading.Event()
    limit_s = here.settings.load_timeout_s + SLACK_S
    while (elapsed := clock() - begun) < limit_s:
        status = here.engine.status()
        if status["state"] in LOADED:
            return
        if status["state"] == "failed" and status["since_s"] < elapsed:
            raise EngineUnavailable(status["error"] or "The model could not be loaded.")
        pause.wait(PERIOD_S)
    raise EngineTimeout("The model was not loaded in time.")
