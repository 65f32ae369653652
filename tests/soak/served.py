"""What gunicorn serves in a soak: the gateway itself, and one address more that tells what its worker holds."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from greenlet import greenlet

from wsgi import app

Start = Callable[..., Any]

_served = app.wsgi_app


def _with_held(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    if environ["PATH_INFO"] != "/soak/held":
        return _served(environ, start_response)
    start_response("200 OK", [("Content-Type", "application/json"), ("Connection", "close")])
    return [json.dumps(held()).encode()]


def held() -> dict[str, int]:
    """What only the worker itself can count, after its garbage is gone."""
    gc.collect()
    living = sum(isinstance(thing, greenlet) and not thing.dead for thing in gc.get_objects())
    return {"pid": os.getpid(), "greenlets": living, "jobs": len(app.extensions["bpu"].engine.jobs)}


app.wsgi_app = _with_held  # type: ignore[method-assign]
