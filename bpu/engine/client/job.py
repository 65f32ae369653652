"""One job in its worker or command.

It lasts from its place in the queue to the console's prompt. The keeper lends the console's pipes. The job writes the
line, and then one chain of calls in the event loop takes each read of the console's pipe to the client: `TurnReader`
parses it, the job passes the events to the `EventSink` of the answer, and the client's greenlet, which is woken
directly, only sends what the sink has made. So neither a second process nor a slow client delays the console. `close`
frees everything, at any time, any number of times.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum
from typing import Any

from bpu import errors, gevent_io
from bpu.console.events import Done, Event, Text
from bpu.engine import protocol
from bpu.engine.client.daemon_connection import DaemonClient, JobChannel
from bpu.engine.client.event_delivery import EventDelivery, EventList
from bpu.engine.client.keeper_errors import error_from, exit_error
from bpu.engine.client.line_writer import ConsoleEnded, SlotUnavailable
from bpu.engine.client.phase_times import PhaseTimes
from bpu.engine.client.turn_reader import TurnLost, TurnReader, drain_timeout_s
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
from bpu.turn import EventSink, Phase, Progress, TimeLimitReached, Timing, Turn

log = logging.getLogger("bpu.engine")

#: How often a waiting job may lose its keeper.
MAX_JOINS = 5
#: How long the keeper's report of a lost console may take to arrive.
EXIT_REPORT_TIMEOUT_S = 2.0
#: Approximate time from a job's end to the next job's line.
HAND_OVER_S = 0.002
#: The keeper answers a new job from memory.
ANSWER_LIMIT_S = 10.0
#: The console's stdin and stdout, which come with `StartJob`.
PIPES = 2


class JobState(str, Enum):
    """Where a job is; `ended` is final, with or without an error."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"


class Job:
    """One job, made and owned by `Engine`.

    `Engine.submit` returns it once it has a place in the queue. The client's greenlet calls `join`, `feed` (or
    `events`) and `close`. The event loop of the worker or command brings the keeper's messages and reads the answer; a
    greenlet of the job waits for the answer's end and gives the console back. The job ends exactly once, and frees the
    console's pipes before.
    """

    def __init__(
        self,
        daemon: DaemonClient,
        turn: Turn,
        *,
        launch: LaunchSpec,
        job_id: str,
        conversation_digest: Callable[[str], str],
        count_tokens: Callable[[str], int],
        queue_timeout_s: float,
        client: socket.socket | None = None,
        on_end: Callable[[Job], None] = lambda job: None,
    ) -> None:
        self.id, self.turn, self._launch = job_id, turn, launch
        self._daemon, self._on_end = daemon, on_end
        self._conversation_digest, self._count_tokens = conversation_digest, count_tokens
        self._arrived = time.monotonic()
        self._queue_until = self._arrived + queue_timeout_s if queue_timeout_s else None
        self._state = JobState.QUEUED
        self._times = PhaseTimes(self._arrived)
        self._position, self._accepted, self._joins_left = 0, False, MAX_JOINS
        self._delivery = EventDelivery()
        self._last_place_sent: tuple[Phase, int] | None = None
        self._wakeup = gevent_io.WakeEvent()  # wakes the client's greenlet
        self._had_place, self._may_retry, self._anchored = False, True, True
        self._exit_reported = gevent_io.Flag()  # wakes the greenlet that lost the console
        self._error: errors.BpuError | None = None
        self._exit_report: ExitReport | None = None
        self._reader: TurnReader | None = None
        self._greenlet: Any = None
        self._channel: JobChannel | None = None
        self._client = gevent_io.ClientWatch(client, self._client_left) if client is not None else None

    # The queue

    def join(self) -> None:
        """Take a place in the queue; returns when the keeper has given one.

        Raises `BpuError` when it refuses.
        """
        while not self._accepted and self._error is None:
            self._rejoin_if_lost()
            if not self._wakeup.wait(ANSWER_LIMIT_S):
                self._fail(errors.EngineStopping("The engine's keeper does not answer.", retry_after=5))
            self._wakeup.clear()
        if self._error is not None:
            self.close()
            raise self._error

    def _connect(self) -> None:
        self._exit_reported.clear()  # an earlier keeper may have set it
        channel = self._daemon.open_job_channel(self._on_message, self._on_keeper_gone)
        if self._state is not JobState.QUEUED:  # its client has left while a keeper was started
            channel.close()
            return
        self._channel = channel
        self._send(
            SubmitJob(
                **self._daemon.launch_fields(self._launch),
                id=self.id,
                arrived=self._arrived,
                prefix_digest=self.turn.prefix_digest if self.turn.continuation_line else "",
                tokens=self.turn.tokens,
                continuation_tokens=self.turn.continuation_tokens,
                again=self._had_place,
                needs_fresh=not self._anchored,
            )
        )

    def _send(self, message: Message) -> None:
        if self._channel is not None:
            self._channel.send(message)

    @property
    def is_waiting(self) -> bool:
        """Whether the job is in the queue, or on its way into it."""
        return self._state is JobState.QUEUED

    def _on_message(self, message: Message, fds: list[int]) -> None:
        """Handle a message, in the event loop.

        After any error the job ends, and the keeper takes the console back.
        """
        try:
            self._handle(message, fds)
        except Exception as error:
            log.error("A message of the engine's keeper could not be followed: %s.", type(error).__name__)
            self._fail(errors.BpuError(f"The job failed inside the gateway: {type(error).__name__}."))
            if self._greenlet is not None:
                gevent_io.kill(self._greenlet)  # which ends the job
            elif self._reader is not None:
                self._on_finished(self._reader)
            else:
                protocol.close_all(fds)
                self._end()

    def _handle(self, message: Message, fds: list[int]) -> None:
        if isinstance(message, (QueuePlace, StartJob)):
            self._accepted = self._had_place = True
        if isinstance(message, QueuePlace):
            self._position = message.position
            self._times.enter(message.phase)
        elif isinstance(message, StartJob):
            self._begin(message, fds)
        elif isinstance(message, ExitReport):
            self._exit_report = message
            self._exit_reported.set()
        elif isinstance(message, Refusal):
            self._fail(error_from(message))
        self._wakeup.set()

    def _on_keeper_gone(self) -> None:
        self._close_channel()
        self._exit_reported.set()
        if self._state is JobState.QUEUED and self._joins_left:
            # Nothing was written yet, so it joins the next keeper, and once more if that one was ending, too.
            self._accepted, self._joins_left = False, self._joins_left - 1
        elif self._state is JobState.QUEUED:
            self._fail(errors.EngineStopping("The engine is being restarted; try again.", retry_after=2))
        self._wakeup.set()

    def _rejoin_if_lost(self) -> None:
        if self._state is JobState.QUEUED and self._channel is None and not self._accepted:
            try:
                self._connect()
            except errors.BpuError as error:
                self._fail(error)

    # The console

    def _begin(self, start: StartJob, fds: list[int]) -> None:
        if self._state is not JobState.QUEUED:
            protocol.close_all(fds)
            self._send(DeclineJob())
            return
        if len(fds) != PIPES:
            protocol.close_all(fds)
            self._send(DeclineJob())
            message = "The gateway had no free file descriptor for the console; try again."
            self._fail(errors.EngineStopping(message, retry_after=5))
            self._end()
            return
        self._times.enter("prefill")
        reader = TurnReader(
            self._launch,
            start,
            fds,
            self.turn,
            deliver=self._deliver,
            progress=self._progress,
            on_read=self._on_read,
            anchored=self._anchored or not start.fresh,
        )
        self._reader = reader
        reader.begin()
        self._greenlet = gevent_io.spawn(lambda: self._run(reader), on_end=lambda: self._on_finished(reader))
        self._state, self._position = JobState.RUNNING, 0
        gevent_io.call_soon(self._daemon.keep_ready)

    def _run(self, reader: TurnReader) -> None:
        """Run the turn in the job's greenlet; retry it or report its failure."""
        try:
            reader.read_turn()
            self._finish(reader)
        except TurnLost as error:
            reader.close()
            if self._may_retry and not reader.has_text and self._error is None:  # a closed job joins no more
                self._retry(error)
            else:
                self._fail(self._console_error(error))
        except SlotUnavailable as error:
            reader.close()
            self._send(DeclineJob())
            self._fail(error)
        except errors.BpuError as error:
            reader.close()
            self._fail(self._console_error(error))
        except Exception as error:  # a bug of ours must not keep the slot
            self._fail(errors.BpuError(f"The job failed inside the gateway: {type(error).__name__}."))
            raise

    def _retry(self, lost: TurnLost) -> None:
        """Join again, because nothing of the answer has come yet.

        It keeps the time of its first arrival.
        """
        self._may_retry, self._anchored = False, not lost.echo_differs
        self._send(FailJob(why=lost.message, retry=True))
        self._close_channel()
        self._reader, self._greenlet, self._accepted = None, None, False  # the next turn has its own
        self._state = JobState.QUEUED
        self._times.enter("queued")
        self._wakeup.set()

    def _on_finished(self, reader: TurnReader) -> None:
        """Free the console after the end of the job's greenlet, in the event loop."""
        try:
            reader.close()
        finally:
            if self._reader is reader:  # else the job waits again
                self._end()

    def _deliver(self, event: Event | TimeLimitReached) -> None:
        if self._times.phase != "decode" and isinstance(event, Text):
            self._times.enter("decode")
        if self._error is None:
            self._delivery.deliver(event)

    def _on_read(self) -> None:
        """Run the client's greenlet until it waits again, if it has output."""
        if self._delivery.has_output:
            self._wakeup.switch()

    @property
    def timing(self) -> Timing:
        """The times that were measured so far."""
        turn = Timing() if self._reader is None else self._reader.timing
        return replace(turn, queued_s=self._times.queued_s, load_s=self._times.load_s)

    def _progress(self, tokens: int) -> None:
        gevent_io.call_soon(self._send, ReportProgress(tokens=tokens))  # the client's token comes first

    def _finish(self, reader: TurnReader) -> None:
        """Give the console back after its prompt, however much the client has read."""
        raw = reader.text if reader.is_continuable else ""
        digest = self._conversation_digest(raw) if raw else ""
        timing = reader.timing
        fill = timing.cached_tokens + timing.prompt_tokens + self._count_tokens(raw)
        self._send(EndJob(digest=digest, tokens=fill, **reader.observations))
        reader.close()  # which frees the slot before the next job's worker can ask for it
        if self._daemon.status.queued:
            # A waiting job's line is written first, because the end of this answer is work and brings a next request.
            gevent_io.sleep(HAND_OVER_S)
        self._deliver(Done())
        self._wakeup.set()

    def _console_error(self, error: errors.BpuError) -> errors.BpuError:
        """The error for a lost console, with its last lines.

        Waits for the keeper's report of how it ended.
        """
        ended = isinstance(error, ConsoleEnded)
        if not ended:
            self._send(FailJob(why=error.message))
        if self._channel is not None:
            self._exit_reported.wait(EXIT_REPORT_TIMEOUT_S)
        return exit_error(None if ended else error, self._exit_report) or error

    # The end

    def _fail(self, error: errors.BpuError) -> None:
        if self._error is None and self._state is not JobState.ENDED:
            self._error = error
        self._wakeup.set()

    def _end(self) -> None:
        first, self._state = self._state is not JobState.ENDED, JobState.ENDED
        try:
            if first:
                self._on_end(self)
            if self._client is not None:
                self._client.close()
        finally:
            self._close_channel()
            self._wakeup.set()
            self._wakeup.close()

    def _close_channel(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _client_left(self) -> None:
        """Close the job of a client that has left, in the event loop."""
        self._fail(errors.ClientLeft("The client has left."))
        self.close()

    def fail(self, error: errors.BpuError) -> None:
        """End the job now; `feed` and `events` raise `error`."""
        self._fail(error)
        self.close()

    def close(self) -> None:
        """Give up a place in the queue.

        Kill a running generation, unless it ends by itself very soon.
        """
        if self._client is not None:
            self._client.close()
        if self._state is JobState.RUNNING:
            self._fail(errors.ClientLeft("The job was closed."))
            self._delivery.drop_held()
            gevent_io.kill(self._greenlet, drain_timeout_s(self._times.phase, self._daemon.status.load_s or 0.0))
        elif self._state is JobState.QUEUED:
            if self._reader is not None:  # the end of the worker has interrupted `_begin`
                self._reader.close()
            self._end()

    # The client

    def feed(self, sink: EventSink, silence_s: float | None) -> Iterator[None]:
        """Pass the job's events to `sink` as they come.

        Yield when it has output for the client, which must be taken. Console events are passed on in the event loop,
        `Done` or `TimeLimitReached` last. The client's greenlet adds `Progress`: first, on every change of the job's
        place or phase, and after `silence_s` without output. Raises `BpuError` when the job fails, and what the sink
        has raised; the output that came before is taken first.
        """
        delivery = self._delivery
        for _ in delivery.attach(sink):
            gevent_io.sleep(0)  # a client that catches up lets others in between
        self._last_place_sent = None
        while True:
            if delivery.has_output:
                delivery.has_output = False
                yield
                continue
            if delivery.error is not None:
                raise delivery.error
            if sink.has_ended:
                return
            if self._error is not None:
                raise self._error
            if self._state is JobState.ENDED:
                raise errors.ClientLeft("The job was closed.")
            if self._times.phase != "decode" and self._place_changed():
                delivery.pass_on(self._queue_progress, sink)
                continue
            self._wakeup.clear()
            if self._error is None and not delivery.has_output and not self._wait_for_change(silence_s):
                delivery.pass_on(self._queue_progress, sink)

    def _place_changed(self) -> bool:
        """Whether the job has another place or phase than the client was sent last.

        Join again if it is lost.
        """
        self._rejoin_if_lost()
        last, self._last_place_sent = self._last_place_sent, (self._times.phase, self._position)
        return self._last_place_sent != last

    def events(self, silence_s: float | None) -> Iterator[Event | Progress | TimeLimitReached]:
        """Yield the events that `feed` passes on, for an owner that reads them itself."""
        sink = EventList()
        for _ in self.feed(sink, silence_s):
            yield from sink.take()

    @property
    def _queue_progress(self) -> Progress:
        return Progress(self._times.phase, self._position, self._wait_detail)

    @property
    def _wait_detail(self) -> str:
        """Return what the job waits for beyond its place, with the seconds until then.

        The seconds only if they are known; "" if there is nothing else.
        """
        status, words, ends_at = self._daemon.status, "", None
        if self._times.phase == "loading" and status.state is State.STARTING:
            words = f"loading {status.model}"
            ends_at = None if status.load_s is None else status.since_at + status.load_s
        elif self._times.phase == "checking" and (examination := status.examination) is not None:
            words = f"checking the console, {examination.answers} of {examination.of} answers"
            ends_at = examination.ends_at
        return words if ends_at is None else f"{words}, {max(1, round(ends_at - time.monotonic()))} s"

    def _wait_for_change(self, silence_s: float | None) -> bool:
        """Wait for an event or a message, at most `silence_s`; return whether one came.

        It ends an overdue wait.
        """
        if self._state is not JobState.QUEUED or self._queue_until is None:
            return self._wakeup.wait(silence_s)
        left = self._queue_until - time.monotonic()
        if left <= 0:
            self._fail(errors.QueueTimeout("The job has waited too long for the BPU; try again later.", retry_after=30))
            self.close()
            return True
        return self._wakeup.wait(left if silence_s is None else min(silence_s, left))
