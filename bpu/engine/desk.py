"""The keeper's decisions: who is next, how a job begins, what happens when one ends, leaves or loses its console.

It knows peers only as something that takes messages, and the console only through the supervisor, so that every
order of events can be tried without a process or a socket.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bpu.console.faults import Fault
from bpu.console.traits import TurnReport
from bpu.engine.cache import EMPTY, Cache, Start, spent, start_for
from bpu.engine.console_record import ConsoleRecord
from bpu.engine.examination_runner import ExaminationRunner
from bpu.engine.job_limit import overdue_at
from bpu.engine.launch import Launch
from bpu.engine.peer import Peer, refuse
from bpu.engine.queue import Queue, QueueFull, Ticket
from bpu.engine.slot import abandon_slot
from bpu.engine.states import Move, State
from bpu.engine.supervisor import Supervisor

FIRST_PACE_S = 20.0
LONGEST_RETRY_S = 60.0
_DOWN = (State.STOPPED, State.FAILED)


class Desk:
    """One job at a time. Every public method may be followed by `advance`, which moves whatever can move."""

    def __init__(
        self,
        launch: Launch,
        supervisor: Supervisor,
        record: ConsoleRecord,
        *,
        clock: Callable[[], float],
        log: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.launch, self.supervisor, self._clock = launch, supervisor, clock
        self.queue: Queue[Peer] = Queue(launch.queue_limit)
        self.running: Ticket[Peer] | None = None
        self.running_since = 0.0
        self.progress: dict[str, Any] = {}
        self.wanted = launch.preload and not launch.per_job
        self.leaving = False
        self.pace_s = FIRST_PACE_S
        self._preparing: Ticket[Peer] | None = None
        self.examiner = ExaminationRunner(
            launch,
            supervisor,
            record,
            clock=clock,
            first_arrival=lambda: self.queue.first().arrived if self.queue else None,
            log=log,
        )
        self._idle_since = clock()

    # What jobs do

    def join(self, ticket: Ticket[Peer], *, again: bool = False) -> None:
        """A job has come. It goes at once, is told its place, or is refused; `again`: it had a place before."""
        if self.leaving:
            refuse(ticket.peer, "EngineStopping", "The gateway is stopping.", retry_after=5)
            return
        if (fault := self._lasting_fault()) is not None:
            self._refuse_for(fault, ticket)
            return
        free = self.running is None and self._preparing is None
        try:
            if again:
                self.queue.rejoin(ticket)
            else:
                self.queue.join(ticket, room_beyond=1 if free else 0)
        except QueueFull:
            limit = self.queue.limit
            message = (
                f"The BPU is busy and {limit} {'job waits' if limit == 1 else 'jobs wait'} already; try again later."
            )
            refuse(ticket.peer, "QueueFull", message, retry_after=self.retry_after_s())
            return
        # Whoever asks wants the model to stay, until it is unloaded again.
        self.wanted = not self.launch.per_job

    def leave(self, ticket: Ticket[Peer], *, cause: str = "left") -> None:
        """The job's connection is gone, or it was cancelled. Its place is free; a running generation is killed."""
        if self.queue.leave(ticket):
            return
        if self._preparing is ticket:
            self._preparing = None
        elif self.running is ticket:
            self.running = None
            self.supervisor.end(cause)

    def finish(self, ticket: Ticket[Peer], report: TurnReport, cache: Cache, *, reset_sent: bool = False) -> None:
        """The job has read up to the console's prompt; `cache` is what it knows of the console's memory."""
        if self.running is not ticket:
            return
        self.running = None
        self.pace_s += 0.3 * (self._clock() - self.running_since - self.pace_s)
        self._idle_since = self._clock()
        self.supervisor.breaker.forgive()
        self.supervisor.learn(report)
        if self.supervisor.must_discard(report):
            self.supervisor.end("unproven_end")
            return
        self._put_to_rest(cache, reset_sent=reset_sent)
        if self.launch.per_job:
            self.supervisor.end("per_job", polite=True)

    def _put_to_rest(self, cache: Cache, *, reset_sent: bool = False) -> None:
        """Give back a console that was taken. What the next job would have to wait for is done now."""
        supervisor, known = self.supervisor, self.examiner.capabilities
        if reset_sent or (self.wanted and known.reset_works and spent(cache, known)):
            supervisor.reset(lambda: supervisor.give_back(EMPTY), sent=reset_sent)
        else:
            supervisor.give_back(cache)

    def fail(self, ticket: Ticket[Peer], why: str, *, retry: bool = False) -> None:
        """The job has given up its console, which is silent, out of step or without end: it is told the last lines.
        `retry`: no text has come, and the job joins again."""
        if self.running is not ticket:
            return
        if retry:
            self.running = None
            self.supervisor.end("rejoined")
        else:
            self.supervisor.end("failed", Fault("job_failed", why, False))

    def decline(self, ticket: Ticket[Peer]) -> None:
        """The job's worker cannot use the console and has written nothing to it, so the console is as it was."""
        if self.running is ticket:
            self.running = None
            self.supervisor.give_back(self.supervisor.cache)

    def abandon(self, cause: str, fault: Fault) -> None:
        """End the console. The job that runs is told; the one that has not begun keeps its place."""
        self.supervisor.end(cause, fault)
        if self.running is not None or self._preparing is not None:
            self._console_lost()

    def cancel(self, job_id: str) -> bool:
        """Cancel a waiting or running job by its id; False when there is none."""
        ticket = self.queue.find(job_id)
        for active in (self.running, self._preparing):
            if active is not None and active.id == job_id:
                ticket = active
        if ticket is None:
            return False
        refuse(ticket.peer, "JobCancelled", "The job was cancelled.")
        self.leave(ticket, cause="cancelled")
        return True

    # What operators do

    def load(self) -> None:
        self.wanted = True
        self.supervisor.breaker.forgive()

    def examine(self) -> None:
        """Examine the console once more, as soon as no job is left."""
        self.wanted = True
        self.examiner.request()

    def unload(self) -> None:
        """Give the BPU's memory back as soon as no job is left; a job that comes later loads again."""
        self.wanted = False

    def stop(self) -> None:
        """No job is served any more; the console is ended."""
        self.leaving = True
        for ticket in self.queue:
            refuse(ticket.peer, "EngineStopping", "The gateway is stopping.", retry_after=5)
            self.queue.leave(ticket)
        self.supervisor.end("stop", polite=True)

    # What the console does

    def console_changed(self, old: State, new: State, move: Move) -> None:
        """Called by the supervisor for every change of state."""
        if new is State.READY:
            self._idle_since = self._clock()
        if old is State.CHECKING:
            self.examiner.close()
        if old is State.BUSY and new in (State.FAILED, State.STOPPING):
            self._console_lost()
        if new is State.FAILED and (fault := self.supervisor.fault) is not None and fault.cause == "load_timeout":
            self._refuse_waiting(fault, "EngineTimeout")

    def _console_lost(self) -> None:
        if self._preparing is not None:
            # Nothing of it was written yet, so it keeps its place.
            self.queue.rejoin(self._preparing)
            self._preparing = None
        if self.running is not None:
            ticket, self.running = self.running, None
            ticket.peer.send({"say": "exit", **self._obituary()})

    def _obituary(self) -> dict[str, Any]:
        fault, supervisor = self.supervisor.fault, self.supervisor
        return {
            "message": fault.message if fault else "The console was ended.",
            "person": bool(fault and fault.needs_person),
            "how": str(supervisor.exit) if supervisor.exit else "",
            "log": supervisor.log.telling(),
        }

    # What comes next

    def advance(self) -> None:
        """Move whatever can move now. Cheap; called after everything that happened."""
        supervisor = self.supervisor
        if (limit := self._overdue_at()) is not None and self._clock() >= limit:
            self._take_back()
        if self.leaving:
            supervisor.end("stop")
        elif supervisor.state in _DOWN:
            self._load_if_wanted()
        elif supervisor.state is State.CHECKING:
            self._examine()
        elif supervisor.state is State.READY:
            self._use()

    def _overdue_at(self) -> float | None:
        return None if self.running is None else overdue_at(self.launch, self.running_since, self.progress)

    def _take_back(self) -> None:
        """End the console of a job whose worker reports nothing although its own limits are long over."""
        abandon_slot(Path(self.launch.state_dir))
        self.abandon("overdue", Fault("overdue", "A worker did not end its job within the limits.", False))

    def _load_if_wanted(self) -> None:
        if not self.queue and not self.wanted:
            return
        if self.supervisor.breaker.wait_s(self._clock()) == 0:
            self.supervisor.load()
        elif (fault := self._lasting_fault()) is not None:
            self._refuse_waiting(fault)

    def _examine(self) -> None:
        if self.wanted or self.queue:
            self.examiner.advance()
        else:
            self.supervisor.end("unload")

    def _use(self) -> None:
        supervisor, known = self.supervisor, self.examiner.capabilities
        if self.queue:
            self._begin(self.queue.first())
        elif not self.wanted:
            supervisor.end("unload", polite=True)
        elif self._idle_too_long():
            self.wanted = False
            supervisor.end("idle_unload", polite=True)
        elif spent(supervisor.cache, known) and not known.reset_works:
            supervisor.end("unrelated")
        elif spent(supervisor.cache, known) and supervisor.take():
            self._put_to_rest(supervisor.cache)
        else:
            self.examiner.begin_if_idle(self._idle_since)

    def _begin(self, ticket: Ticket[Peer]) -> None:
        supervisor = self.supervisor
        if ticket.needs_fresh and not supervisor.is_fresh:
            ticket.needs_fresh = False  # asked once: a console that is examined at every load is never fresh
            supervisor.end("rejoined")
            return
        start = start_for(
            supervisor.cache,
            self.examiner.capabilities,
            history=ticket.history,
            short_tokens=ticket.short_tokens,
            context=self.launch.context,
        )
        if start is Start.RESTART:
            supervisor.end("unrelated")
            return
        if not supervisor.take():
            return
        self._preparing = self.queue.pop()
        if start is Start.RESET:
            supervisor.reset(self._go_if_still_there)
        else:
            self._go(start)

    def _go_if_still_there(self) -> None:
        if self._preparing is None:
            self.supervisor.give_back(self.supervisor.cache)
        else:
            self._go(Start.EMPTY)

    def _go(self, start: Start) -> None:
        ticket, self._preparing = self._preparing, None
        assert ticket is not None
        supervisor, known = self.supervisor, self.examiner.capabilities
        cached = supervisor.cache.tokens if start is Start.CONTINUE else 0
        self.running, self.running_since, self.progress = ticket, self._clock(), {"phase": "prefill", "tokens": 0}
        message = {
            "say": "go",
            "short": start is Start.CONTINUE,
            "cached": cached,
            "banner": supervisor.banner,
            **supervisor.for_reader,
            "keeps": known.retains_history,
            # Where nothing can be continued, the job sends the reset itself: it is on its way before anybody asks.
            "resets": self.wanted and known.reset_works and not (known.retains_history or known.stateless),
        }
        if not ticket.peer.send(message, supervisor.pipes):
            # A worker that does not even read its own socket: nothing was written, so nothing is spoilt.
            self.decline(ticket)

    # Small questions

    @property
    def waiting(self) -> list[Ticket[Peer]]:
        """All that have not begun, in their order; the first of them may be waiting for its reset only."""
        return [*([self._preparing] if self._preparing is not None else []), *self.queue]

    def _idle_too_long(self) -> bool:
        limit = self.launch.idle_unload_s
        return limit > 0 and self._clock() >= self._idle_since + limit

    def _lasting_fault(self) -> Fault | None:
        """What keeps the engine down for more than a moment, if anything does."""
        supervisor = self.supervisor
        fault = supervisor.fault if supervisor.state is State.FAILED else None
        if fault is None or supervisor.breaker.wait_s(self._clock()) == 0:
            return None
        return fault if supervisor.breaker.is_open or fault.needs_person else None

    def _refuse_waiting(self, fault: Fault, kind: str = "") -> None:
        for ticket in self.queue:
            self._refuse_for(fault, ticket, kind)
            self.queue.leave(ticket)

    def _refuse_for(self, fault: Fault, ticket: Ticket[Peer], kind: str = "") -> None:
        wait = None if fault.needs_person else self.supervisor.breaker.wait_s(self._clock())
        kind = kind or ("EngineUnavailable" if fault.needs_person else "EngineStopping")
        refuse(ticket.peer, kind, fault.message, retry_after=wait, log=self.supervisor.log.telling())

    def retry_after_s(self) -> float:
        """When a place is likely to be free: the queue's length times the recent pace, at most a minute."""
        return min(LONGEST_RETRY_S, max(1.0, self.pace_s * max(1, len(self.queue))))

    def deadline(self) -> float | None:
        """The monotonic second at which `advance` could do something that it cannot do now."""
        now, supervisor, times = self._clock(), self.supervisor, []
        if (overdue := self._overdue_at()) is not None:
            times.append(overdue)
        if supervisor.state in _DOWN and (self.wanted or self.queue):
            times.append(now + supervisor.breaker.wait_s(now))
        if supervisor.state is State.READY:
            times.append(supervisor.free_at)
            if self.launch.idle_unload_s > 0:
                times.append(self._idle_since + self.launch.idle_unload_s)
            if (idle_until := self.examiner.idle_until(self._idle_since)) is not None:
                times.append(idle_until)
        if supervisor.state is State.CHECKING and (until := self.examiner.deadline()) is not None:
            times.append(until)
        return min((time for time in times if time > now), default=None)
