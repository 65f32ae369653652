"""An engine that does what a script says, and records what was asked of it. It starts nothing and waits for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Event as Bell
from typing import Any, Union

from bpu.console.events import Done, Event, Stats, Text
from bpu.turn import EventSink, Progress, TimeLimitReached, Timing, Turn

#: An exception is raised where it stands; a bell is waited for, with a `Progress` for each stretch of silence.
Step = Union[Event, Progress, TimeLimitReached, BaseException, Bell]


def thought(reasoning: str, answer: str) -> list[Step]:
    """The events of an R1 answer, in pieces of three characters."""
    text = f"{reasoning}</think>\n\n{answer}"
    pieces = [text[at : at + 3] for at in range(0, len(text), 3)]
    return [Progress("prefill"), *map(Text, pieces), Stats(prefill_per_second=600.0, decode_per_second=17.0), Done()]


class FakeJob:
    """A job that runs `script` when its events are asked for."""

    def __init__(
        self, script: Iterable[Step], *, job_id: str, turn: Turn, conversation_digest: Callable[[str], str]
    ) -> None:
        self.id = job_id
        self.turn = turn
        self.timing = Timing(queued_s=0.25, prefill_s=0.5, decode_s=2.0, prompt_tokens=turn.tokens)
        self.closed = 0
        self.asked_silence: list[float | None] = []
        self.digest: str | None = None
        self._script = script
        self._conversation_digest = conversation_digest

    def feed(self, sink: EventSink, silence_s: float | None) -> Iterator[None]:
        for event in self._events(silence_s):
            try:
                has_output = sink.on_event(event)
            except Exception:
                yield  # what came before it is taken first
                raise
            if has_output:
                yield
            if sink.has_ended:
                return

    def _events(self, silence_s: float | None) -> Iterator[Union[Event, Progress, TimeLimitReached]]:
        self.asked_silence.append(silence_s)
        raw = ""
        for step in self._script:
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, Text):
                raw += step.text
            if isinstance(step, Done):
                self.digest = self._conversation_digest(raw)
            if not isinstance(step, Bell):
                yield step
                continue
            while not step.wait(silence_s):
                yield Progress("decode")

    def close(self) -> None:
        self.closed += 1


class FakeEngine:
    """Every job gets `script`; `refusal` is raised by `submit` instead, when it is set."""

    def __init__(self, script: Iterable[Step] = (), *, refusal: BaseException | None = None, **status: Any) -> None:
        self.script: Iterable[Step] = script or thought("Hm.", "Hello!")
        self.refusal = refusal
        self.jobs: list[FakeJob] = []
        self.orders: list[str] = []
        #: The model that each job was for.
        self.asked: list[str] = []
        self.is_reachable = True
        self.picture: dict[str, Any] = {
            "state": "ready",
            "since_s": 1.5,
            "simulated": False,
            "cpu": False,
            "profile": "xlm_demo",
            "multi_turn": None,
            "console_pid": 4242,
            "keeper_pid": 4241,
            "loads": 1,
            "restarts": {},
            "load_s": 2.0,
            "cache_tokens": 0,
            "running": None,
            "waiting": [],
            "retry_after_s": None,
            "error": None,
            "log": [],
            **status,
        }

    def submit(
        self,
        turn: Turn,
        *,
        job_id: str,
        conversation_digest: Callable[[str], str],
        count_tokens: Callable[[str], int],
        client: object = None,
        model: str = "",
        on_end: Callable[[], None] = lambda: None,
    ) -> FakeJob:
        if self.refusal is not None:
            raise self.refusal
        job = FakeJob(self.script, job_id=job_id, turn=turn, conversation_digest=conversation_digest)
        self.jobs.append(job)
        self.asked.append(model)
        return job

    def status(self) -> dict[str, Any]:
        return dict(self.picture)

    def cancel(self, job_id: str) -> bool:
        return any(job.id == job_id for job in self.jobs)

    def load(self, model: str = "") -> None:
        self.orders.append(f"load {model}".strip())

    def unload(self, model: str = "") -> None:
        self.orders.append(f"unload {model}".strip())

    def examine(self) -> None:
        self.orders.append("examine")

    def start(self) -> None:
        self.orders.append("start")

    def abort_jobs(self) -> None:
        self.orders.append("abort_jobs")

    def stop(self) -> None:
        self.orders.append("stop")
