"""One job, seen from its worker: from its place in the queue to the console's prompt.

The keeper lends the console's pipes, and the job itself writes the line and reads the answer in a greenlet of
its own, so that neither a hop nor a slow client stands between console and slot. The view reads what has come
from a list, at its own pace. `close` lets go of everything, at any time, any number of times.
"""

from __future__ import annotations

import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum
from typing import Any

from bpu import errors, gevent_io
from bpu.console.events import Done, Event, Text
from bpu.engine import protocol
from bpu.engine.client.daemon_connection import DaemonClient, JobChannel, error_from, exit_error
from bpu.engine.client.turn_io import ConsoleEnded, SlotUnavailable, TurnLost, TurnReader, dry_s
from bpu.engine.launch_spec import LaunchSpec
from bpu.engine.messages import (
    DeclineJob,
    EndJob,
    ExitReport,
    FailJob,
    Message,
    QueuePlace,
    Refusal,
    ReportProgress,
    StartJob,
    SubmitJob,
)
from bpu.engine.states import State
from bpu.turn import Phase, Progress, TimeLimitReached, Timing, Turn

log = logging.getLogger("bpu.engine")

#: How often a waiting job may lose its keeper.
JOINS = 5
#: How long the reason for a lost console may take to arrive.
OBITUARY_S = 2.0
#: About what it takes from a job's end to the next one's line.
HAND_OVER_S = 0.002
#: The keeper answers a new job from memory.
ANSWER_LIMIT_S = 10.0
#: The console's stdin and stdout, which come with `go`.
PIPES = 2


class JobState(str, Enum):
    """Where a job is; `ended` has come to rest, with or without an error."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"


class Job:
    """Made by `Engine.submit`, which returns it once it has a place in the queue."""

    def __init__(
        self,
        link: DaemonClient,
        turn: Turn,
        *,
        launch: LaunchSpec,
        job_id: str,
        remember: Callable[[str], str],
        count: Callable[[str], int],
        queue_timeout_s: float,
        client: socket.socket | None = None,
        ended: Callable[[Job], None] = lambda job: None,
    ) -> None:
        self.id, self.turn, self._launch = job_id, turn, launch
        self._link, self._remember, self._count, self._ended = link, remember, count, ended
        self._arrived = time.monotonic()
        self._queue_until = self._arrived + queue_timeout_s if queue_timeout_s else None
        self._life = JobState.QUEUED
        self._phase: Phase = "queued"
        self._position, self._accepted, self._joins_left = 0, False, JOINS
        self._events: deque[Event | TimeLimitReached] = deque()
        self._news = gevent_io.WakeEvent()  # for whoever reads the answer
        self._may_retry, self._anchored = True, True
        self._told_why = gevent_io.Flag()  # for the greenlet that lost the console
        self._error: errors.BpuError | None = None
        self._obituary: ExitReport | None = None
        self._drain: TurnReader | None = None
        self._greenlet: Any = None
        self._phase_since, self._waited = self._arrived, dict[Phase, float]()
        self._line: JobChannel | None = None
        self._client = gevent_io.ClientWatch(client, self._client_left) if client is not None else None

    # The queue

    def join(self) -> None:
        """Take a place in the queue; returns when the keeper has given one. Raises what the keeper refuses with."""
        while not self._accepted and self._error is None:
            self._rejoin_if_lost()
            if not self._news.wait(ANSWER_LIMIT_S):
                self._fail(errors.EngineStopping("The engine's keeper does not answer.", retry_after=5))
            self._news.clear()
        if self._error is not None:
            self.close()
            raise self._error

    def _connect(self) -> None:
        self._told_why.clear()  # an earlier keeper's end tells nothing of this one's console
        self._line = self._link.open_job_channel(self._on_message, self._on_keeper_gone)
        self._tell(
            SubmitJob(
                **self._link.launch_fields(self._launch),
                id=self.id,
                arrived=self._arrived,
                history=self.turn.history if self.turn.short_line else "",
                tokens=self.turn.tokens,
                short_tokens=self.turn.short_tokens,
                again=not self._may_retry,
                needs_fresh=not self._anchored,
            )
        )

    def _tell(self, message: Message) -> None:
        if self._line is not None:
            self._line.send(message)

    @property
    def is_waiting(self) -> bool:
        return self._life is JobState.QUEUED

    def _on_message(self, message: Message, fds: list[int]) -> None:
        """In the event loop. Whatever goes wrong, the job comes to an end, and the keeper takes the console back."""
        try:
            self._handle(message, fds)
        except Exception as error:
            log.error("A message of the engine's keeper could not be followed: %s.", type(error).__name__)
            self._fail(errors.BpuError(f"The job failed inside the gateway: {type(error).__name__}."))
            if self._greenlet is not None:
                gevent_io.kill(self._greenlet)  # which ends the job
            elif self._drain is not None:
                self._rest(self._drain)
            else:
                protocol.close_all(fds)
                self._end()

    def _handle(self, message: Message, fds: list[int]) -> None:
        self._accepted = self._accepted or isinstance(message, (QueuePlace, StartJob))
        if isinstance(message, QueuePlace):
            self._position = message.position
            self._enter(message.phase)
        elif isinstance(message, StartJob):
            self._begin(message, fds)
        elif isinstance(message, ExitReport):
            self._obituary = message
            self._told_why.set()
        elif isinstance(message, Refusal):
            self._fail(error_from(message))
        self._news.set()

    def _on_keeper_gone(self) -> None:
        self._hang_up()
        self._told_why.set()
        if self._life is JobState.QUEUED and self._joins_left:
            # Nothing was written yet, so it joins the next keeper; again if that one was dying, too.
            self._accepted, self._joins_left = False, self._joins_left - 1
        elif self._life is JobState.QUEUED:
            self._fail(errors.EngineStopping("The engine is being restarted; try again.", retry_after=2))
        self._news.set()

    def _rejoin_if_lost(self) -> None:
        if self._life is JobState.QUEUED and self._line is None and not self._accepted:
            try:
                self._connect()
            except errors.BpuError as error:
                self._fail(error)

    # The console

    def _begin(self, go: StartJob, fds: list[int]) -> None:
        if self._life is not JobState.QUEUED:
            protocol.close_all(fds)
            return
        if len(fds) != PIPES:
            protocol.close_all(fds)
            self._tell(DeclineJob())
            message = "The gateway had no free file descriptor for the console; try again."
            self._fail(errors.EngineStopping(message, retry_after=5))
            self._end()
            return
        self._enter("prefill")
        self._life, self._position = JobState.RUNNING, 0
        drain = TurnReader(
            self._launch,
            go,
            fds,
            self.turn,
            deliver=self._deliver,
            progress=self._progress,
            anchored=self._anchored or not go.fresh,
        )
        self._drain = drain
        drain.begin()
        self._greenlet = gevent_io.spawn(lambda: self._run(drain), ended=lambda: self._rest(drain))
        gevent_io.call_soon(self._link.keep_ready)

    def _run(self, drain: TurnReader) -> None:
        """The greenlet that reads the answer."""
        try:
            drain.read_turn()
            self._finish(drain)
        except TurnLost as error:
            drain.close()
            if self._may_retry and not drain.has_text:
                self._retry(error)
            else:
                self._fail(self._cause(error))
        except SlotUnavailable as error:
            drain.close()
            self._tell(DeclineJob())
            self._fail(error)
        except errors.BpuError as error:
            drain.close()
            self._fail(self._cause(error))
        except Exception as error:  # a bug of ours must not keep the slot
            self._fail(errors.BpuError(f"The job failed inside the gateway: {type(error).__name__}."))
            raise

    def _retry(self, lost: TurnLost) -> None:
        """Join again, with the first time of arrival: nothing of the answer has come, so the client need not know."""
        self._may_retry, self._anchored = False, not lost.echo_differs
        self._tell(FailJob(why=lost.message, retry=True))
        self._hang_up()
        self._drain, self._accepted = None, False
        self._life = JobState.QUEUED
        self._enter("queued")
        self._news.set()

    def _rest(self, drain: TurnReader) -> None:
        """In the event loop: the greenlet is over, however it ended."""
        try:
            drain.close()
        finally:
            if self._drain is drain:  # else the job waits again
                self._end()

    def _enter(self, phase: Phase) -> None:
        """Begin another phase of waiting; what the one that ends took is noted."""
        now = time.monotonic()
        if phase != self._phase:
            self._waited[self._phase] = self._waited.get(self._phase, 0.0) + now - self._phase_since
            self._phase, self._phase_since = phase, now

    def _deliver(self, event: Event | TimeLimitReached) -> None:
        if self._phase != "decode" and isinstance(event, Text):
            self._enter("decode")
        if self._error is None:
            self._events.append(event)
            self._news.set()

    @property
    def timing(self) -> Timing:
        """What has been measured so far."""
        turn, waited = Timing() if self._drain is None else self._drain.timing, self._waited
        load_s = waited.get("loading", 0.0) + waited.get("checking", 0.0)
        return replace(turn, queued_s=waited.get("queued", 0.0), load_s=load_s)

    def _progress(self, tokens: int) -> None:
        gevent_io.call_soon(self._tell, ReportProgress(tokens=tokens))  # the client's token comes first

    def _finish(self, drain: TurnReader) -> None:
        """The prompt is back: the slot is free, whatever the client has read."""
        raw = drain.text if drain.keeps else ""
        digest = self._remember(raw) if raw else ""
        fill = drain.timing.cached_tokens + drain.timing.prompt_tokens + self._count(raw)
        drain.close()
        self._tell(EndJob(digest=digest, tokens=fill, **drain.found))
        if self._link.status.queued:
            # The end of an answer is work too, and brings the client's next request: a waiting job has its line first.
            gevent_io.sleep(HAND_OVER_S)
        self._deliver(Done())

    def _cause(self, error: errors.BpuError) -> errors.BpuError:
        """Why the console was lost, with its last lines: the keeper knows how it ended, or ends it now."""
        ended = isinstance(error, ConsoleEnded)
        if not ended:
            self._tell(FailJob(why=error.message))
        if self._line is not None:
            self._told_why.wait(OBITUARY_S)
        return exit_error(None if ended else error, self._obituary) or error

    # The end

    def _fail(self, error: errors.BpuError) -> None:
        if self._error is None and self._life is not JobState.ENDED:
            self._error = error
        self._news.set()

    def _end(self) -> None:
        first, self._life = self._life is not JobState.ENDED, JobState.ENDED
        try:
            if first:
                self._ended(self)
            if self._client is not None:
                self._client.close()
        finally:
            self._hang_up()
            self._news.set()
            self._news.close()

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _client_left(self) -> None:
        """In the event loop: the client is gone."""
        self._fail(errors.ClientLeft("The client has left."))
        self.close()

    def fail(self, error: errors.BpuError) -> None:
        """End it now, with `error` for whoever reads its events."""
        self._fail(error)
        self.close()

    def close(self) -> None:
        """Let go. A place in the queue is given up; a running generation ends by itself very soon, or is killed."""
        if self._client is not None:
            self._client.close()
        if self._life is JobState.RUNNING:
            self._fail(errors.ClientLeft("The job was closed."))
            self._events.clear()
            gevent_io.kill(self._greenlet, dry_s(self._phase, self._link.status.load_s or 0.0))
        elif self._life is JobState.QUEUED:
            self._end()

    # The view

    def events(self, silence_s: float | None) -> Iterator[Event | Progress | TimeLimitReached]:
        """Console events as they come, `Done` last; `Progress` first, after `silence_s` of silence and on every change.

        Raises `BpuError` when the job fails; what came before is delivered first.
        """
        shown: tuple[Phase, int] | None = None
        while True:
            while self._events:
                event = self._events.popleft()
                yield event
                if isinstance(event, (Done, TimeLimitReached)):
                    return
                shown = ("decode", 0)
                if self._events:
                    gevent_io.sleep(0)  # a client that catches up lets others in between
            if self._error is not None:
                raise self._error
            if self._life is JobState.ENDED:
                raise errors.ClientLeft("The job was closed.")
            self._rejoin_if_lost()
            place = (self._phase, self._position)
            if place != shown and self._phase != "decode":
                shown = place
                yield self._waiting
                continue
            self._news.clear()
            if not self._events and self._error is None and not self._wait_for_news(silence_s):
                yield self._waiting

    @property
    def _waiting(self) -> Progress:
        return Progress(self._phase, self._position, self._load_words if self._phase == "loading" else "")

    @property
    def _load_words(self) -> str:
        """Which model is being loaded, and in how many seconds it is ready if that is known from earlier loads."""
        status = self._link.status
        if status.state is not State.STARTING:
            return ""
        words = f"loading {status.model}"
        if status.load_s is None:
            return words
        left = status.load_s - (time.monotonic() - status.since_at)
        return f"{words}, {max(1, round(left))} s"

    def _wait_for_news(self, silence_s: float | None) -> bool:
        if self._life is not JobState.QUEUED or self._queue_until is None:
            return self._news.wait(silence_s)
        left = self._queue_until - time.monotonic()
        if left <= 0:
            self._fail(errors.QueueTimeout("The job has waited too long for the BPU; try again later.", retry_after=30))
            self.close()
            return True
        return self._news.wait(left if silence_s is None else min(silence_s, left))
