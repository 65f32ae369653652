"""The keeper's decisions: which model and job are next, how a job begins, what happens when it or its console ends.

It knows peers only as something that takes messages, and the console only through the supervisor, so that every
order of events can be tried without a process or a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from bpu.console.faults import Fault
from bpu.console.traits import TurnReport
from bpu.engine.cache import EMPTY, Cache, Start, spent, start_for
from bpu.engine.console_record import ConsoleRecord
from bpu.engine.examination_runner import ExaminationRunner
from bpu.engine.job_limit import overdue_at
from bpu.engine.launch import Launch
from bpu.engine.model import Model
from bpu.engine.peer import Peer, refuse
from bpu.engine.queue import Queue, QueueFull, Ticket
from bpu.engine.slot import abandon_slot
from bpu.engine.states import Move, State
from bpu.engine.supervisor import Supervisor
from bpu.engine.swap_rule import Demand, next_model

FIRST_PACE_S = 20.0
LONGEST_RETRY_S = 60.0
#: How long the memory of a model that was given up may take to come back, and how often it is looked for.
MEMORY_WAIT_S, MEMORY_LOOK_S = 3.0, 0.1
#: More launches than any table has; the oldest ones that nothing needs are forgotten.
MOST_LAUNCHES = 300
_DOWN = (State.STOPPED, State.FAILED)
_IN_MEMORY = (State.CHECKING, State.READY, State.BUSY)

#: Makes what a model needs when it is first asked for.
MakeParts = Callable[[Launch], tuple[Supervisor, ConsoleRecord]]
#: Says why the BPU's memory cannot hold a launch, given the processes whose memory will be free; "" when it may.
FindShortage = Callable[[Launch, Collection[int]], str]


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
        make_parts: MakeParts | None = None,
        find_shortage: FindShortage = lambda launch, own: "",
    ) -> None:
        """`launch` is the default model's, with its parts; `make_parts` makes those of others."""
        self._clock, self._log = clock, log
        self._make_parts, self._find_shortage = make_parts, find_shortage
        self.queue: Queue[Peer] = Queue(launch.queue_limit)
        self._launches: dict[str, Launch] = {launch.fingerprint: launch}
        #: The fingerprint of each id's newest launch.
        self._newest: dict[str, str] = {launch.model: launch.fingerprint}
        #: Those that were needed at least once, by fingerprint.
        self.models: dict[str, Model] = {}
        #: The model that has the console, or had it last.
        self.model = self._add(launch, supervisor, record)
        self.running: Ticket[Peer] | None = None
        self.running_since = 0.0
        self.progress: dict[str, Any] = {}
        self.wanted = launch.preload and not launch.per_job
        self.leaving = False
        self.pace_s = FIRST_PACE_S
        self.swap_after_s = launch.swap_after_s
        self._preparing: Ticket[Peer] | None = None
        #: An operator's order to load another model.
        self._ordered: Demand | None = None
        #: The model for which another one was given up.
        self._next: Model | None = None
        self._last_good: Model | None = None
        self._memory_until = 0.0
        self._idle_since = self._ready_since = clock()

    # The models

    @property
    def supervisor(self) -> Supervisor:
        return self.model.supervisor

    @property
    def examiner(self) -> ExaminationRunner:
        return self.model.examiner

    @property
    def launch(self) -> Launch:
        """The launch that the console was started with, or will be."""
        return self.supervisor.launch

    def knows(self, fingerprint: str) -> bool:
        return fingerprint in self._launches

    def offer(self, launch: Launch, *, newest: bool) -> None:
        """Take the launch of a model for its next load; `newest`: also for loads that no job asks for."""
        key = launch.fingerprint
        if newest or key not in self._launches:
            self._launches[key] = launch
            if key in self.models:
                self.models[key].launch = launch
        if newest or launch.model not in self._newest:
            self._newest[launch.model] = key
        self._forget_surplus()

    def fingerprint_of(self, name: str) -> str | None:
        """The fingerprint of the newest launch of the model with this id."""
        return self._newest.get(name)

    def name_of(self, ticket: Ticket[Peer]) -> str:
        """The id of the model that a job wants."""
        return self._launches[ticket.model].model

    def _forget_surplus(self) -> None:
        needed = {self.model.key, *self._newest.values(), *(ticket.model for ticket in self.queue)}
        needed |= {ticket.model for ticket in (self.running, self._preparing) if ticket is not None}
        needed |= {self._ordered.model} if self._ordered is not None else set()
        needed |= {one.key for one in (self._next, self._last_good) if one is not None}
        for key in [key for key in self._launches if key not in needed][: max(0, len(self._launches) - MOST_LAUNCHES)]:
            del self._launches[key]
            self.models.pop(key, None)

    def _model(self, fingerprint: str) -> Model:
        """The model of a known launch, made when it is first needed."""
        if fingerprint not in self.models:
            assert self._make_parts is not None, "only the default model's parts were given"
            launch = self._launches[fingerprint]
            self._add(launch, *self._make_parts(launch))
        return self.models[fingerprint]

    def _add(self, launch: Launch, supervisor: Supervisor, record: ConsoleRecord) -> Model:
        model = Model(
            launch,
            supervisor,
            record,
            clock=self._clock,
            first_arrival=lambda: self.queue.first().arrived if self.queue else None,
            log=self._log,
        )
        self.models[launch.fingerprint] = model
        return model

    def _newest_of(self, model: Model) -> Model:
        return self._model(self._newest.get(model.name, model.key))

    def _shortage(self, model: Model) -> str:
        """Why the model that is in memory must not be given up for `model`; "" when it may be."""
        if model is self.model or self.supervisor.state in _DOWN:
            return ""
        return self._find_shortage(model.launch, self.supervisor.console_pids)

    # What jobs do

    def join(self, ticket: Ticket[Peer], *, again: bool = False) -> None:
        """A job has come. It goes at once, is told its place, or is refused; `again`: it had a place before."""
        if self.leaving:
            refuse(ticket.peer, "EngineStopping", "The gateway is stopping.", retry_after=5)
            return
        model = self._model(ticket.model)
        if (fault := model.lasting_fault) is not None:
            self._refuse_for(fault, ticket)
            return
        if shortage := self._shortage(model):
            refuse(ticket.peer, "EngineUnavailable", shortage)
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

    def load(self, fingerprint: str = "") -> str:
        """Load a model, that of the last load without `fingerprint`; returns why not, "" when it will be.

        While another model has jobs, it waits its turn as a job would.
        """
        model = self._model(fingerprint) if fingerprint else self._newest_of(self.model)
        if shortage := self._shortage(model):
            return shortage
        self.wanted = True
        model.supervisor.breaker.forgive()
        is_there = model is self.model and self.supervisor.state in _IN_MEMORY
        self._ordered = None if is_there else Demand(model.key, self._clock())
        return ""

    def examine(self) -> None:
        """Examine the console once more, as soon as no job is left."""
        self.wanted = True
        self.examiner.request()

    def unload(self) -> None:
        """Give the BPU's memory back as soon as no job is left; a job that comes later loads again."""
        self.wanted, self._ordered = False, None

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
            if old is not State.BUSY:
                self._note_loaded()
        if new in _DOWN and self._next is not None:
            self._memory_until = self._clock() + MEMORY_WAIT_S
        if old is State.CHECKING:
            self.examiner.close()
        if old is State.BUSY and new in (State.FAILED, State.STOPPING):
            self._console_lost()
        if new is State.FAILED and (fault := self.supervisor.fault) is not None and fault.cause == "load_timeout":
            self._refuse_waiting(fault, "EngineTimeout")

    def _note_loaded(self) -> None:
        self._ready_since, self._last_good = self._clock(), self.model
        if self._ordered is not None and self._ordered.model == self.model.key:
            self._ordered = None

    def _console_lost(self) -> None:
        if self._preparing is not None:
            # Nothing of it was written yet, so it keeps its place.
            self.queue.rejoin(self._preparing)
            self._preparing = None
        if self.running is not None:
            ticket, self.running = self.running, None
            ticket.peer.send({"say": "exit", **self._obituary()})

    def _obituary(self) -> dict[str, Any]:
        supervisor = self.supervisor
        fault = supervisor.present_fault
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
        elif supervisor.state is State.STARTING:
            self._stop_unneeded_load()
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
        for key in {demand.model for demand in self._demands()}:
            if (fault := self._model(key).lasting_fault) is not None:
                self._refuse_waiting(fault, model=self._model(key))
        model = next((model for model in self._candidates() if model.pause_s == 0), None)
        if model is not None:
            self._load(model)

    def _candidates(self) -> Iterator[Model]:
        """The models that may be loaded now that none is, the first choice first; one may be named twice."""
        demands = self._demands()
        if self._next is not None and any(demand.model == self._next.key for demand in demands):
            yield self._next
        yield from (self._model(demand.model) for demand in demands)
        if self.wanted and not demands:
            yield self._newest_of(self.model)
            if self._last_good is not None:
                # What cannot be loaded leaves its place to the model that worked before.
                yield self._newest_of(self._last_good)

    def _demands(self) -> list[Demand]:
        demands = [Demand(ticket.model, ticket.arrived) for ticket in self.queue]
        return sorted([*demands, self._ordered], key=lambda one: one.since) if self._ordered is not None else demands

    def _load(self, model: Model) -> None:
        if model is not self.model:
            if self._clock() < self._memory_until and self._find_shortage(model.launch, ()):
                return  # the memory of the model that was given up has not come back yet
            model.supervisor.follows_another = True
            self.model = model
        self._next = None
        model.load()

    def _next_model(self, loaded: str | None) -> Model | None:
        """The model that is to be in memory next. One that the memory cannot hold is refused, its jobs with it."""
        while True:
            demands = [one for one in self._demands() if one.model == loaded or self._model(one.model).pause_s == 0]
            found = next_model(
                demands, loaded, ready_since=self._ready_since, now=self._clock(), swap_after_s=self.swap_after_s
            )
            if found is None:
                return None
            model = self._model(found)
            if not (shortage := self._shortage(model)):
                return model
            self._refuse_waiting(Fault("no_bpu_memory", shortage, True), model=model)

    def _give_up_for(self, model: Model) -> None:
        self._next = model
        self.supervisor.end("swap", polite=True)

    def _stop_unneeded_load(self) -> None:
        """End a load that no job waits for while jobs of another model wait."""
        if self.queue and not any(demand.model == self.model.key for demand in self._demands()):
            model = self._next_model(None)
            if model is not None and model is not self.model:
                self._give_up_for(model)

    def _examine(self) -> None:
        if self.wanted or self.queue:
            self.examiner.advance()
        else:
            self.supervisor.end("unload")

    def _use(self) -> None:
        supervisor, known = self.supervisor, self.examiner.capabilities
        model = self._next_model(self.model.key)
        if model is not None and model is not self.model:
            self._give_up_for(model)
        elif (ticket := self.queue.first_of(self.model.key)) is not None:
            self._begin(ticket)
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
        self.queue.leave(ticket)
        self._preparing = ticket
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

    def _refuse_waiting(self, fault: Fault, kind: str = "", *, model: Model | None = None) -> None:
        """Refuse the waiting jobs of a model, the present one by default, and forget an order to load it."""
        key = (model or self.model).key
        if self._ordered is not None and self._ordered.model == key:
            self._ordered = None
        for ticket in self.queue:
            if ticket.model == key:
                self._refuse_for(fault, ticket, kind)
                self.queue.leave(ticket)

    def _refuse_for(self, fault: Fault, ticket: Ticket[Peer], kind: str = "") -> None:
        model = self._model(ticket.model)
        kind = kind or ("EngineUnavailable" if fault.needs_person else "EngineStopping")
        wait = None if fault.needs_person else model.pause_s
        log = model.supervisor.log.telling() if fault is model.supervisor.fault else ()
        refuse(ticket.peer, kind, fault.message, retry_after=wait, log=log)

    def retry_after_s(self) -> float:
        """When a place is likely to be free: the queue's length times the recent pace, at most a minute."""
        return min(LONGEST_RETRY_S, max(1.0, self.pace_s * max(1, len(self.queue))))

    def deadline(self) -> float | None:
        """The monotonic second at which `advance` could do something that it cannot do now."""
        now, supervisor, times = self._clock(), self.supervisor, []
        if (overdue := self._overdue_at()) is not None:
            times.append(overdue)
        if supervisor.state in _DOWN:
            times += [now + model.pause_s for model in self._candidates()]
            if now < self._memory_until:
                times.append(now + MEMORY_LOOK_S)
        if supervisor.state is State.READY:
            times += [now + self._model(one.model).pause_s for one in self._demands()]
            times.append(supervisor.free_at)
            if self.launch.idle_unload_s > 0:
                times.append(self._idle_since + self.launch.idle_unload_s)
            if (idle_until := self.examiner.idle_until(self._idle_since)) is not None:
                times.append(idle_until)
        if supervisor.state is State.CHECKING and (until := self.examiner.deadline()) is not None:
            times.append(until)
        return min((time for time in times if time > now), default=None)
