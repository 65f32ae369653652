"""Load a model and wait for it, for clients that ask for a loaded model and for nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from bpu.errors import EngineTimeout, EngineUnavailable
from bpu.web.context import AppContext
from bpu.web.served_models import ServedModel

#: How often the state of the engine, which is in memory, is looked at.
PERIOD_S = 0.05
#: Beyond the engine's own limit for a load, the time for the order itself to arrive.
SLACK_S = 10.0
#: An older failure of a model is known as such until the order has arrived and its status has come back.
SETTLE_S = 1.0


def load_and_wait(ctx: AppContext, model: ServedModel, clock: Callable[[], float] = time.monotonic) -> None:
    """Load `model`; return when it is loaded. Raises `EngineUnavailable` when it cannot be, or `EngineTimeout`."""
    if model.problem is not None:
        raise EngineUnavailable(model.problem)
    if model.is_loaded(ctx.engine.status()):
        return
    ctx.engine.load(model.id)
    begun, pause = clock(), threading.Event()
    limit_s = ctx.settings.load_timeout_s + SLACK_S
    while (elapsed := clock() - begun) < limit_s:
        engine = ctx.engine.status()
        status, reason = model.status(engine)
        if status == "loaded":
            return
        is_current = engine.get("model", model.id) == model.id
        if status == "failed" and (engine["since_s"] < elapsed if is_current else elapsed > SETTLE_S):
            raise EngineUnavailable(reason or "The model could not be loaded.")
        pause.wait(PERIOD_S)
    raise EngineTimeout("The model was not loaded in time.")
