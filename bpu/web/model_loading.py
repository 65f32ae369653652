"""Loads a model and waits for it, for requests that ask for a load alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from bpu.errors import EngineTimeout, EngineUnavailable
from bpu.web.context import AppContext
from bpu.web.served_models import ServedModel

#: The period of polling the engine's status, which is in memory.
POLL_S = 0.05
#: Time for the order to arrive, added to the engine's own limit for a load.
ORDER_S = 10.0
#: Within this time a failure reported of a model that is not current dates from before the order.
SETTLE_S = 1.0


def load_and_wait(ctx: AppContext, model: ServedModel, clock: Callable[[], float] = time.monotonic) -> None:
    """Load `model`; return when it is loaded. Raises `EngineUnavailable` when it cannot be, or `EngineTimeout`."""
    if model.problem is not None:
        raise EngineUnavailable(model.problem)
    if model.is_loaded(ctx.engine.status()):
        return
    ctx.engine.load(model.id)
    begun, pause = clock(), threading.Event()
    limit_s = ctx.settings.load_timeout_s + ORDER_S
    while (elapsed := clock() - begun) < limit_s:
        engine = ctx.engine.status()
        status, reason = model.status(engine)
        if status == "loaded":
            return
        is_current = engine.get("model", model.id) == model.id
        if status == "failed" and (engine["since_s"] < elapsed if is_current else elapsed > SETTLE_S):
            raise EngineUnavailable(reason or "The model could not be loaded.")
        pause.wait(POLL_S)
    raise EngineTimeout("The model was not loaded in time.")
