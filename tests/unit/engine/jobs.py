"""Submits jobs to an engine on real processes and reads their answers."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import Any

import psutil

from bpu import gevent_io
from bpu.console.events import Done, Text
from bpu.console.traits import UNKNOWN_TRAITS
from bpu.engine.client.engine import Engine
from bpu.engine.client.job import Job
from bpu.engine.messages import StartJob
from bpu.turn import Turn
from tests.support.waits import until

EngineOf = Callable[..., Engine]
LONG = "[[sim tokens=200 rate=50]]"
#: Lends a job a console of which nothing is known, and which waits.
START = StartJob(
    continued=False,
    cached=0,
    banner="",
    fresh=True,
    at_prompt=True,
    traits=UNKNOWN_TRAITS,
    pids=(),
    background_threads=(),
    keeps=False,
    resets=False,
)


#: Reasoning of enough steps to show the console's pace. An answer without them ends only after seconds of silence.
REASONING = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen.\n</think>\n\n"


def says(text: str, *, reasoning: str = REASONING) -> str:
    """Return a line that the simulator answers with `reasoning` and `text`."""
    return f"[[sim say={base64.b64encode(f'{reasoning}{text}'.encode()).decode()}]]"


def submit(engine: Engine, text: str, job_id: str = "job", **options: Any) -> Job:
    return engine.submit(Turn(line=text.encode(), tokens=10), job_id=job_id, **options)


def answer(job: Job) -> str:
    """Return the text of a complete answer without the `REASONING` of `says`."""
    events = list(job.events(5.0))
    assert isinstance(events[-1], Done)
    return "".join(event.text for event in events if isinstance(event, Text)).removeprefix(REASONING)


def first_text(job: Job) -> str:
    for event in job.events(5.0):
        if isinstance(event, Text):
            return event.text
    raise AssertionError("no text")


#: Like `until`, but other greenlets run meanwhile.
wait_for = partial(until, sleep=gevent_io.sleep)


def console_of(engine: Engine) -> psutil.Process:
    return psutil.Process(wait_for(lambda: engine.status()["console_pid"]))
