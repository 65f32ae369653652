"""Jobs for an engine on real processes, and what comes of them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import Any

import psutil

from bpu.console.events import Done, Text
from bpu.engine import hub
from bpu.engine.engine import Engine
from bpu.engine.job import Job
from bpu.turn import Turn
from tests.waits import until

EngineOf = Callable[..., Engine]
LONG = "[[sim tokens=200 rate=50]]"


def says(text: str) -> str:
    return f"[[sim say={base64.b64encode(text.encode()).decode()}]]"


def submit(engine: Engine, text: str, job_id: str = "job", **options: Any) -> Job:
    return engine.submit(Turn(line=text.encode(), tokens=10), job_id=job_id, **options)


def answer(job: Job) -> str:
    events = list(job.events(5.0))
    assert isinstance(events[-1], Done)
    return "".join(event.text for event in events if isinstance(event, Text))


def first_text(job: Job) -> str:
    for event in job.events(5.0):
        if isinstance(event, Text):
            return event.text
    raise AssertionError("no text")


#: Other greenlets run meanwhile.
wait_for = partial(until, sleep=hub.sleep)


def console_of(engine: Engine) -> psutil.Process:
    return psutil.Process(wait_for(lambda: engine.status()["console_pid"]))
