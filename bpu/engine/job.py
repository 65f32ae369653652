"""One job, seen from its worker: from its place in the queue to the console's prompt.

The keeper lends the console's pipes, and the job itself writes the line and reads the answer in a greenlet of
its own, so that neither a hop nor a slow client stands between console and slot. The view reads what has come
from a list, at its own pace. `close` lets go of everything, at any time, any number of times.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum
from typing import Any

from bpu import errors
from bpu.console.events import Done, Event, Text
from bpu.engine import hub, protocol
from bpu.engine.drain import ConsoleEnded, Drain, SlotUnavailable, TurnLost, dry_s
from bpu.engine.launch import Launch
from bpu.engine.link import Line, Link, error_from, explained
from bpu.turn import Cut, Phase, Timing, Turn, Waiting

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


class Life(str, Enum):
    """Where a job is; `ended` has come to rest, with or without an error."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"


class Job:
    """Made by `Engine.submit`, which returns it once it has a place in the queue."""

    def __init__(
        self,
        link: Link,
        turn: Turn,
        *,
        launch: Launch,
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
        self._life = Life.QUEUED
        self._phase: Phase = "queued"
        self._position, self._accepted, self._joins_left = 0, False, JOINS
        self._events: deque[Event | Cut] = deque()
        self._news = hub.Signal()  # for whoever reads the answer
        self._had_place, self._may_retry, self._anchored = False, True, True
        self._told_why = hub.Flag()  # for the greenlet that lost the console
        self._error: errors.BpuError | None = None
        self._obituary: protocol.Message | None = None
        self._drain: Drain | None = None
        self._greenlet: Any = None
        self._phase_since, self._waited = self._arrived, dict[Phase, float]()
        self._line: Line | None = None
        self._client = hub.ClientWatch(client, self._client_left) if client is not None else None

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
        self._line = self._link.line(self._hear, self._on_keeper_gone)
        self._tell(
            {
                "op": "job",
                **self._link.naming(self._launch),
                "id": self.id,
                "arrived": self._arrived,
                "history": self.turn.history if self.turn.short_line else "",
                "tokens": self.turn.tokens,
                "short_tokens": self.turn.short_tokens,
                "again": self._had_place,
                "needs_fresh": not self._anchored,
            }
        )

    def _tell(self, message: protocol.Message) -> None:
        if self._line is not None:
            self._line.tell(message)

    @property
    def is_waiting(self) -> bool:
        return self._life is Life.QUEUED

    def _hear(self, message: protocol.Message, fds: list[int]) -> None:
        """In the event loop. Whatever goes wrong, the job comes to an end, and the keeper takes the console back."""
        try:
            self._obey(message, fds)
        except Exception as error:
            log.error("A message of the engine's keeper could not be followed: %s.", type(error).__name__)
            self._fail(errors.BpuError(f"The job failed inside the gateway: {type(error).__name__}."))
            if self._greenlet is not None:
                hub.kill(self._greenlet)  # which ends the job
            elif self._drain is not None:
                self._rest(self._drain)
            else:
                _close_all(fds)
                self._end()

    def _obey(self, message: protocol.Message, fds: list[int]) -> None:
        say = message["say"]
        if say in ("place", "go"):
            self._accepted = self._had_place = True
        if say == "place":
            self._position = message["position"]
            self._enter(message["phase"])
        elif say == "go":
            self._begin(message, fds)
        elif say == "exit":
            self._obituary = message
            self._told_why.set()
        elif say == "refused":
            self._fail(error_from(message))
        self._news.set()

    def _on_keeper_gone(self) -> None:
        self._hang_up()
        self._told_why.set()
        if self._life is Life.QUEUED and self._joins_left:
            # Nothing was written yet, so it joins the next keeper; again if that one was dying, too.
            self._accepted, self._joins_left = False, self._joins_left - 1
        elif self._life is Life.QUEUED:
            self._fail(errors.EngineStopping("The engine is being restarted; try again.", retry_after=2))
        self._news.set()

    def _rejoin_if_lost(self) -> None:
        if self._life is Life.QUEUED and self._line is None and not self._accepted:
            try:
                self._connect()
            except errors.BpuError as error:
                self._fail(error)

    # The console

    def _begin(self, go: protocol.Message, fds: list[int]) -> None:
        if self._life is not Life.QUEUED:
            _close_all(fds)
            return
        if len(fds) != PIPES:
            _close_all(fds)
            self._tell({"op": "declined"})
            message = "The gateway had no free file descriptor for the console; try again."
            self._fail(errors.EngineStopping(message, retry_after=5))
            self._end()
            return
        self._enter("prefill")
        self._life, self._position = Life.RUNNING, 0
        drain = Drain(
            self._launch,
            go,
            fds,
            self.turn,
            deliver=self._deliver,
            progress=self._progress,
            anchored=self._anchored or not go["fresh"],
        )
        self._drain = drain
        drain.begin()
        self._greenlet = hub.spawn(lambda: self._run(drain), ended=lambda: self._rest(drain))
        hub.soon(self._link.keep_ready)

    def _run(self, drain: Drain) -> None:
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
            self._tell({"op": "declined"})
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
        self._tell({"op": "failed", "why": lost.message, "retry": True})
        self._hang_up()
        self._drain, self._accepted = None, False
        self._life = Life.QUEUED
        self._enter("queued")
        self._news.set()

    def _rest(self, drain: Drain) -> None:
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

    def _deliver(self, event: Event | Cut) -> None:
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
        hub.soon(self._tell, {"op": "progress", "tokens": tokens})  # the client's token comes first

    def _finish(self, drain: Drain) -> None:
        """The prompt is back: the slot is free, whatever the client has read."""
        raw = drain.text if drain.keeps else ""
        digest = self._remember(raw) if raw else ""
        fill = drain.timing.cached_tokens + drain.timing.prompt_tokens + self._count(raw)
        drain.close()
        self._tell({"op": "end", "digest": digest, "tokens": fill, **drain.found})
        if self._link.status["queued"]:
            # The end of an answer is work too, and brings the client's next request: a waiting job has its line first.
            hub.sleep(HAND_OVER_S)
        self._deliver(Done())

    def _cause(self, error: errors.BpuError) -> errors.BpuError:
        """Why the console was lost, with its last lines: the keeper knows how it ended, or ends it now."""
        ended = isinstance(error, ConsoleEnded)
        if not ended:
            self._tell({"op": "failed", "why": error.message})
        if self._line is not None:
            self._told_why.wait(OBITUARY_S)
        return explained(None if ended else error, self._obituary) or error

    # The end

    def _fail(self, error: errors.BpuError) -> None:
        if self._error is None and self._life is not Life.ENDED:
            self._error = error
        self._news.set()

    def _end(self) -> None:
        first, self._life = self._life is not Life.ENDED, Life.ENDED
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
        if self._life is Life.RUNNING:
            self._fail(errors.ClientLeft("The job was closed."))
            self._events.clear()
            hub.kill(self._greenlet, dry_s(self._phase, self._link.status["load_s"] or 0.0))
        elif self._life is Life.QUEUED:
            self._end()

    # The view

    def events(self, silence_s: float | None) -> Iterator[Event | Waiting | Cut]:
        """Console events as they come, `Done` last; `Waiting` first, after `silence_s` of silence, and on every change.

        Raises `BpuError` when the job fails; what came before is delivered first.
        """
        shown: tuple[Phase, int] | None = None
        while True:
            while self._events:
                event = self._events.popleft()
                yield event
                if isinstance(event, (Done, Cut)):
                    return
                shown = ("decode", 0)
                if self._events:
                    hub.sleep(0)  # a client that catches up lets others in between
            if self._error is not None:
                raise self._error
            if self._life is Life.ENDED:
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
    def _waiting(self) -> Waiting:
        return Waiting(self._phase, self._position, self._load_words if self._phase == "loading" else "")

    @property
    def _load_words(self) -> str:
        """Which model is being loaded, and in how many seconds it is ready if that is known from earlier loads."""
        status = self._link.status
        if status["state"] != "starting":
            return ""
        words = f"loading {status['model']}"
        if status["load_s"] is None:
            return words
        left = status["load_s"] - (time.monotonic() - status["since_at"])
        return f"{words}, {max(1, round(left))} s"

    def _wait_for_news(self, silence_s: float | None) -> bool:
        if self._life is not Life.QUEUED or self._queue_until is None:
            return self._news.wait(silence_s)
        left = self._queue_until - time.monotonic()
        if left <= 0:
            self._fail(errors.QueueTimeout("The job has waited too long for the BPU; try again later.", retry_after=30))
            self.close()
            return True
        return self._news.wait(left if silence_s is None else min(silence_s, left))


def _close_all(fds: list[int]) -> None:
    while fds:
        os.close(fds.pop())
