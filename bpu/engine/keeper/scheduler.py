"""Decides which model is loaded and which job runs next.

It also decides what happens when a job or its console ends. The scheduler waits for nothing: it sends messages through
`JobConnection` and controls the console through the supervisor, so that tests can try every order of events without a
process or a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from bpu.console.diagnosis import Diagnosis
from bpu.console.traits import TurnReport
from bpu.engine.console_record import ConsoleRecord
from bpu.engine.file_locks import abandon_slot
from bpu.engine.keeper.examination_runner import ExaminationRunner
from bpu.engine.keeper.job_connection import JobConnection, refuse
from bpu.engine.keeper.job_limit import overdue_at
from bpu.engine.keeper.kv_cache import EMPTY, Cache, StartMode, choose_start, must_discard
from bpu.engine.keeper.model import Model
from bpu.engine.keeper.model_registry import MakeParts, ModelRegistry
from bpu.engine.keeper.queue import Queue, QueueFull, Ticket
from bpu.engine.keeper.supervisor import Supervisor
from bpu.engine.keeper.swap_rule import Demand, next_model
from bpu.engine.launch_spec import LaunchSpec
from bpu.engine.messages import ExitReport, RefusalCode, StartJob
from bpu.engine.states import State, Transition

FIRST_AVERAGE_JOB_S = 20.0
LONGEST_RETRY_S = 60.0
#: How long the kernel may take to free the memory of an ended model, and how often the scheduler checks.
MEMORY_WAIT_S, MEMORY_POLL_S = 3.0, 0.1
#: How long a model that an operator ordered stays at least, so that a client that waits for it sees it.
SHORTEST_STAY_S = 3.0
#: A reset that takes longer than this is no part of a hand-over.
LONGEST_HAND_OVER_S = 0.05
#: Approximate time until a worker has written the line of a job that may begin.
LINE_S = 0.002
_DOWN = (State.STOPPED, State.FAILED)
_IN_MEMORY = (State.CHECKING, State.READY, State.BUSY)

#: Says why the BPU's memory cannot hold a launch, given the processes whose memory will be free; "" when it can.
FindShortage = Callable[[LaunchSpec, Collection[int]], str]


class Scheduler:
    """Runs one job at a time on the one console.

    The keeper owns it and calls it in its one thread: the other methods record what happened, and `advance`, called
    after each of them, acts on it. Invariant: at most one of `running` and `_preparing` is set.
    """

    def __init__(
        self,
        launch: LaunchSpec,
        supervisor: Supervisor,
        record: ConsoleRecord,
        *,
        clock: Callable[[], float],
        log: Callable[[str], None] = lambda text: None,
        make_parts: MakeParts | None = None,
        find_shortage: FindShortage = lambda launch, own: "",
    ) -> None:
        """`launch`, `supervisor` and `record` are the default model's; `make_parts` makes those of the others."""
        self._clock, self._find_shortage = clock, find_shortage
        self.queue: Queue[JobConnection] = Queue(launch.queue_limit)
        self.registry = ModelRegistry(
            make_parts=make_parts,
            fingerprints_in_use=self._fingerprints_in_use,
            clock=clock,
            first_arrival=lambda: self.queue.first().arrived if self.queue else None,
            log=log,
        )
        #: The model that has the console, or had it last.
        self.model = self.registry.add(launch, supervisor, record)
        self.running: Ticket[JobConnection] | None = None
        self.running_since = 0.0
        self.progress: dict[str, Any] = {}
        self.should_be_loaded = launch.preload and not launch.per_job
        #: Whether a client holds a lifeline; without any, only a job or an order begins a load.
        self.has_clients = True
        self.stopping = False
        self.average_job_s = FIRST_AVERAGE_JOB_S
        self.swap_after_s = launch.swap_after_s
        #: The job that runs as soon as the console's `reset` is done; nothing was written for it yet.
        self._preparing: Ticket[JobConnection] | None = None
        #: The orders to load another model, by fingerprint; each waits its turn.
        self._load_orders: dict[str, Demand] = {}
        #: Until then a model that was loaded by an order stays, though jobs of other models wait.
        self._stays_until = 0.0
        #: The id of the model that the last order to unload named; "" if it named none.
        self._unload_name = ""
        #: The model for which the scheduler ended another one.
        self._swap_target: Model | None = None
        self._last_good: Model | None = None
        self._memory_wait_ends = 0.0
        self._idle_since = self._ready_since = self._resetting_since = self._advanced_at = clock()

    # The models

    @property
    def supervisor(self) -> Supervisor:
        """The supervisor of the model that has the console, or had it last."""
        return self.model.supervisor

    @property
    def examiner(self) -> ExaminationRunner:
        """The examination runner of that model."""
        return self.model.examiner

    @property
    def launch(self) -> LaunchSpec:
        """The launch specification of the current or next console."""
        return self.supervisor.launch

    def take_limits(self, launch: LaunchSpec) -> None:
        """Take the limits of all models from a newer launch.

        A reload may have changed them.
        """
        self.queue.limit, self.swap_after_s = launch.queue_limit, launch.swap_after_s

    def _fingerprints_in_use(self) -> set[str]:
        """Return the fingerprints of the launches that must stay registered."""
        fingerprints = {self.model.fingerprint, *(ticket.fingerprint for ticket in self.queue)}
        fingerprints |= {ticket.fingerprint for ticket in (self.running, self._preparing) if ticket is not None}
        fingerprints |= set(self._load_orders)
        return fingerprints | {one.fingerprint for one in (self._swap_target, self._last_good) if one is not None}

    def _shortage(self, model: Model) -> str:
        """Say why `model` cannot replace the loaded one; "" when it can."""
        if model is self.model or self.supervisor.state in _DOWN:
            return ""
        return self._find_shortage(model.launch, self.supervisor.console_pids)

    # What jobs do

    def join(self, ticket: Ticket[JobConnection], *, again: bool = False) -> None:
        """Queue a job or refuse it.

        `again`: the job was queued before, so the queue limit does not apply.
        """
        if self.stopping:
            refuse(ticket.peer, RefusalCode.ENGINE_STOPPING, "The gateway is stopping.", retry_after=5)
            return
        model = self.registry.get(ticket.fingerprint)
        if (fault := model.blocking_fault) is not None:
            self._refuse_for(fault, ticket)
            return
        if shortage := self._shortage(model):
            refuse(ticket.peer, RefusalCode.ENGINE_UNAVAILABLE, shortage)
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
            refuse(ticket.peer, RefusalCode.QUEUE_FULL, message, retry_after=self.retry_after_s())
            return
        # A job keeps the model loaded until an operator or the idle limit unloads it.
        self.should_be_loaded = not self.launch.per_job

    def remove(self, ticket: Ticket[JobConnection], *, cause: str = "left") -> None:
        """Remove a job that was cancelled or whose connection is closed.

        End the console if the job is running.
        """
        if self.queue.remove(ticket):
            return
        if self._preparing is ticket:
            self._preparing = None
        elif self.running is ticket:
            self.running = None
            self.supervisor.end(cause)

    def finish(
        self, ticket: Ticket[JobConnection], report: TurnReport, cache: Cache, *, reset_sent: bool = False
    ) -> None:
        """End a job that has read up to the prompt.

        `cache` describes what the KV cache holds now.
        """
        if self.running is not ticket:
            return
        self.running = None
        self.average_job_s += 0.3 * (self._clock() - self.running_since - self.average_job_s)
        self._idle_since = self._resetting_since = self._clock()
        self.supervisor.breaker.reset()
        self.supervisor.record_turn(report)
        if self.supervisor.must_discard(report):
            self.supervisor.end("unproven_end")
            return
        self._release_console(cache, reset_sent=reset_sent)
        if self.launch.per_job:
            self.supervisor.end("per_job", polite=True)

    def _release_console(self, cache: Cache, *, reset_sent: bool = False) -> None:
        """Give the console back.

        Reset it now if its cache is useless, so that the next job does not wait.
        """
        supervisor, known = self.supervisor, self.examiner.capabilities
        if reset_sent or (self.should_be_loaded and known.reset_works and must_discard(cache, known)):
            supervisor.reset(lambda: supervisor.give_back(EMPTY), sent=reset_sent)
        else:
            supervisor.give_back(cache)

    def fail(self, ticket: Ticket[JobConnection], why: str, *, retry: bool = False) -> None:
        """End the console because its job reports it silent, out of sync or endless.

        The job gets an exit report, unless `retry` says that it joins the queue again.
        """
        if self.running is not ticket:
            return
        if retry:
            self.running = None
            self.supervisor.end("rejoined")
        else:
            self.supervisor.end("failed", Diagnosis("job_failed", why, False))

    def return_unused(self, ticket: Ticket[JobConnection]) -> None:
        """Take the console back from a job that has written nothing, with its cache unchanged."""
        if self.running is ticket:
            self.running = None
            self.supervisor.give_back(self.supervisor.cache)

    def end_console(self, cause: str, fault: Diagnosis) -> None:
        """End the console.

        A running job gets an exit report; a job that has not begun keeps its place.
        """
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
        refuse(ticket.peer, RefusalCode.JOB_CANCELLED, "The job was cancelled.")
        self.remove(ticket, cause="cancelled")
        return True

    # What operators do

    def load(self, fingerprint: str = "") -> str:
        """Order a load of a model, by default the last one.

        Return why it is refused, "" when it is accepted. While another model has jobs, the order waits its turn as a
        job would. The model then stays for `swap_after_s`.
        """
        model = self.registry.get(fingerprint) if fingerprint else self.registry.newest_of(self.model)
        if shortage := self._shortage(model):
            return shortage
        self.should_be_loaded = True
        model.supervisor.breaker.reset()
        if model is not self.model:
            # While the order waits for its turn, an earlier failure must not look like its own.
            model.supervisor.fault = None
        is_loaded = model is self.model and self.supervisor.state in _IN_MEMORY
        if not is_loaded:
            self._load_orders.setdefault(model.fingerprint, Demand(model.fingerprint, self._clock()))
        return ""

    def examine(self) -> None:
        """Order another examination of the console, to begin when no job is left."""
        self.should_be_loaded = True
        self.examiner.request()

    def unload(self, name: str = "") -> None:
        """Unload the model when no job is left; a later job loads it again.

        With the id `name` the order is for that model alone: another one, loaded now or by a waiting job, stays.
        """
        for fingerprint in list(self._load_orders):
            if name in ("", self.registry.name_of(fingerprint)):
                del self._load_orders[fingerprint]
        if name in ("", self.model.name):
            self.should_be_loaded, self._stays_until, self._unload_name = False, 0.0, name

    def stop(self) -> None:
        """Refuse all jobs from now on and end the console."""
        self.stopping = True
        for ticket in self.queue:
            refuse(ticket.peer, RefusalCode.ENGINE_STOPPING, "The gateway is stopping.", retry_after=5)
            self.queue.remove(ticket)
        self.supervisor.end("stop", polite=True)

    # What the console does

    def console_changed(self, old: State, new: State, move: Transition) -> None:
        """React to a change of state; the supervisor calls it for each one."""
        if new is State.READY:
            self._idle_since = self._clock()
            if old is not State.BUSY:
                self._note_loaded()
        if new in _DOWN and self._swap_target is not None:
            self._memory_wait_ends = self._clock() + MEMORY_WAIT_S
        if old is State.CHECKING:
            self.examiner.close()
        if old is State.BUSY and new in (State.FAILED, State.STOPPING):
            abandon_slot(Path(self.launch.state_dir))  # its job's worker may be stopped, and hold the lock for long
            self._console_lost()
        if new is State.FAILED and (fault := self.supervisor.fault) is not None and fault.cause == "load_timeout":
            self._refuse_waiting(fault, RefusalCode.ENGINE_TIMEOUT)

    def _note_loaded(self) -> None:
        self._ready_since, self._last_good = self._clock(), self.model
        if self._load_orders.pop(self.model.fingerprint, None) is not None:
            self._stays_until = self._clock() + max(self.swap_after_s, SHORTEST_STAY_S)

    def _console_lost(self) -> None:
        if self._preparing is not None:
            # Nothing was written for this job yet, so it keeps its place.
            self.queue.rejoin(self._preparing)
            self._preparing = None
        if self.running is not None:
            ticket, self.running = self.running, None
            ticket.peer.send(self._exit_report())

    def _exit_report(self) -> ExitReport:
        supervisor = self.supervisor
        fault = supervisor.present_fault
        return ExitReport(
            message=fault.message if fault else "The console was ended.",
            permanent=bool(fault and fault.permanent),
            how=str(supervisor.exit) if supervisor.exit else "",
            log=tuple(supervisor.log.relevant_lines()),
        )

    # What comes next

    def advance(self) -> None:
        """Act on what has happened: load, swap, start a job, unload.

        Cheap, because the keeper calls it often.
        """
        supervisor, self._advanced_at = self.supervisor, self._clock()
        if (limit := self._overdue_at()) is not None and self._clock() >= limit:
            self._end_overdue_job()
        if self.stopping:
            supervisor.end("stop")
        elif supervisor.state in _DOWN:
            self._load_next()
        elif supervisor.state is State.STARTING:
            self._stop_unneeded_load()
        elif supervisor.state is State.CHECKING:
            self._examine()
        elif supervisor.state is State.READY:
            self._use_ready_console()

    def _overdue_at(self) -> float | None:
        """Return when the running job is overdue; None without a job or a limit.

        After a reload its worker may have the limits of the loaded launch or of the newest one: the longer ones count.
        """
        if self.running is None:
            return None
        loaded = overdue_at(self.launch, self.running_since, self.progress)
        newest = overdue_at(self.model.launch, self.running_since, self.progress)
        return None if loaded is None or newest is None else max(loaded, newest)

    def _end_overdue_job(self) -> None:
        """End the console of a job whose worker exceeds its own time limits.

        The worker's other jobs leave the queue, because each would hold a console up as long.
        """
        stuck = None if self.running is None else self.running.peer.pid
        for ticket in self.queue:
            if ticket.peer.pid == stuck:
                self.queue.remove(ticket)
                ticket.peer.cut_off()
        self.end_console("overdue", Diagnosis("overdue", "A worker did not end its job within the limits.", False))

    def _load_next(self) -> None:
        for fingerprint in {demand.fingerprint for demand in self._demands()}:
            if (fault := self.registry.get(fingerprint).blocking_fault) is not None:
                self._refuse_waiting(fault, model=self.registry.get(fingerprint))
        model = next((model for model in self._candidates() if model.pause_s == 0), None)
        if model is not None:
            self._load(model)

    def _candidates(self) -> Iterator[Model]:
        """Yield the models to load while none is loaded, the first choice first.

        One may occur twice.
        """
        demands = self._demands()
        if self._swap_target is not None and any(
            demand.fingerprint == self._swap_target.fingerprint for demand in demands
        ):
            yield self._swap_target
        yield from (self.registry.get(demand.fingerprint) for demand in demands)
        if self.should_be_loaded and self.has_clients and not demands:
            yield self.registry.newest_of(self.model)
            if self._last_good is not None:
                # If the current model cannot be loaded, the last one that worked is loaded instead.
                yield self.registry.newest_of(self._last_good)

    def _demands(self) -> list[Demand]:
        """Return the first demand for each model that is wanted, in order of arrival."""
        since: dict[str, float] = {}
        for ticket in self.queue:
            since.setdefault(ticket.fingerprint, ticket.arrived)
        demands = [Demand(fingerprint, arrived) for fingerprint, arrived in since.items()]
        return sorted([*demands, *self._load_orders.values()], key=lambda one: one.since)

    def _load(self, model: Model) -> None:
        if model is not self.model:
            if self._clock() < self._memory_wait_ends and self._find_shortage(model.launch, ()):
                return  # the kernel has not freed the memory of the previous model yet
            model.supervisor.follows_another = True
            self.model, self._stays_until = model, 0.0
            if self._unload_name not in ("", model.name):
                self.should_be_loaded, self._unload_name = not self.launch.per_job, ""
        self._swap_target = None
        model.load()

    def _next_model(self, loaded: str | None) -> Model | None:
        """Choose the model to be loaded next.

        Refuse the jobs of a model that does not fit into memory.
        """
        while True:
            demands = [
                one
                for one in self._demands()
                if one.fingerprint == loaded or self.registry.get(one.fingerprint).pause_s == 0
            ]
            fingerprint = next_model(
                demands, loaded, ready_since=self._ready_since, now=self._clock(), swap_after_s=self.swap_after_s
            )
            if fingerprint is None:
                return None
            model = self.registry.get(fingerprint)
            if not (shortage := self._shortage(model)):
                return model
            self._refuse_waiting(Diagnosis("no_bpu_memory", shortage, True), model=model)

    def _switch_to(self, model: Model) -> None:
        self._swap_target = model
        self.supervisor.end("swap", polite=True)

    def _stop_unneeded_load(self) -> None:
        """End a load if only jobs of other models wait."""
        if self.queue and not any(demand.fingerprint == self.model.fingerprint for demand in self._demands()):
            model = self._next_model(None)
            if model is not None and model is not self.model:
                self._switch_to(model)

    def _examine(self) -> None:
        if self.should_be_loaded or self.queue:
            self.examiner.advance()
        else:
            self.supervisor.end("unload")

    def _use_ready_console(self) -> None:
        supervisor, known = self.supervisor, self.examiner.capabilities
        model = self.model if self._clock() < self._stays_until else self._next_model(self.model.fingerprint)
        if model is not None and model is not self.model:
            self._switch_to(model)
        elif (ticket := self.queue.first_of(self.model.fingerprint)) is not None:
            self._begin(ticket)
        elif not self.should_be_loaded:
            supervisor.end("unload", polite=True)
        elif self._idle_too_long():
            self.should_be_loaded = False
            supervisor.end("idle_unload", polite=True)
        elif must_discard(supervisor.cache, known) and not known.reset_works:
            supervisor.end("unrelated")
        elif must_discard(supervisor.cache, known) and supervisor.take():
            self._release_console(supervisor.cache)
        else:
            self.examiner.begin_if_idle(self._idle_since)

    def _begin(self, ticket: Ticket[JobConnection]) -> None:
        supervisor = self.supervisor
        if ticket.needs_fresh and not supervisor.is_fresh:
            ticket.needs_fresh = False  # tried only once, because a console examined at every load is never fresh
            supervisor.end("rejoined")
            return
        start = choose_start(
            supervisor.cache,
            self.examiner.capabilities,
            prefix_digest=ticket.prefix_digest,
            continuation_tokens=ticket.continuation_tokens,
            context=self.launch.context,
        )
        if start is StartMode.RESTART:
            supervisor.end("unrelated")
            return
        if not supervisor.take():
            return
        self.queue.remove(ticket)
        self._preparing, self._resetting_since = ticket, self._clock()
        if start is StartMode.RESET:
            supervisor.reset(self._grant_after_reset)
        else:
            self._grant_slot(start)

    def _grant_after_reset(self) -> None:
        if self._preparing is None:
            self.supervisor.give_back(self.supervisor.cache)
        else:
            self._grant_slot(StartMode.EMPTY)

    def _grant_slot(self, start: StartMode) -> None:
        ticket, self._preparing = self._preparing, None
        assert ticket is not None
        supervisor, known = self.supervisor, self.examiner.capabilities
        cached = supervisor.cache.tokens if start is StartMode.CONTINUE else 0
        self.running, self.running_since, self.progress = ticket, self._clock(), {"phase": "prefill", "tokens": 0}
        message = StartJob(
            continued=start is StartMode.CONTINUE,
            cached=cached,
            banner=supervisor.banner,
            **supervisor.reading_facts,
            keeps=known.retains_history,
            # If no later job can continue this cache, the job sends the reset itself, which saves the next one a wait.
            resets=self.should_be_loaded and known.reset_works and not (known.retains_history or known.stateless),
        )
        if not ticket.peer.send(message, supervisor.pipes):
            # The worker does not read its socket. Nothing was written, so the console is unchanged.
            self.return_unused(ticket)

    # Queries

    @property
    def waiting(self) -> list[Ticket[JobConnection]]:
        """The jobs that have not begun, in order.

        The first may only wait for the console's reset.
        """
        return [*([self._preparing] if self._preparing is not None else []), *self.queue]

    @property
    def hand_over_until(self) -> float:
        """The monotonic second until which the next job's line comes before all else.

        It may be over.
        """
        if self.running is not None:
            return self.running_since + LINE_S
        is_wanted = self._preparing is not None or len(self.queue) > 0
        limit_s = LONGEST_HAND_OVER_S if is_wanted and self.supervisor.state is State.BUSY else 0.0
        return self._resetting_since + limit_s

    def _idle_too_long(self) -> bool:
        limit = self.launch.idle_unload_s
        return limit > 0 and self._clock() >= self._idle_since + limit

    def _refuse_waiting(self, fault: Diagnosis, kind: RefusalCode | None = None, *, model: Model | None = None) -> None:
        """Refuse the waiting jobs of a model, by default the current one.

        An order to load it is dropped.
        """
        fingerprint = (model or self.model).fingerprint
        self._load_orders.pop(fingerprint, None)
        for ticket in self.queue:
            if ticket.fingerprint == fingerprint:
                self._refuse_for(fault, ticket, kind)
                self.queue.remove(ticket)

    def _refuse_for(self, fault: Diagnosis, ticket: Ticket[JobConnection], kind: RefusalCode | None = None) -> None:
        model = self.registry.get(ticket.fingerprint)
        kind = kind or (RefusalCode.ENGINE_UNAVAILABLE if fault.permanent else RefusalCode.ENGINE_STOPPING)
        wait = None if fault.permanent else model.pause_s
        log = model.supervisor.log.relevant_lines() if fault is model.supervisor.fault else ()
        refuse(ticket.peer, kind, fault.message, retry_after=wait, log=log)

    def retry_after_s(self) -> float:
        """Estimate when a place is free: queue length times average job time, at most `LONGEST_RETRY_S`."""
        return min(LONGEST_RETRY_S, max(1.0, self.average_job_s * max(1, len(self.queue))))

    def deadline(self) -> float | None:
        """Return the monotonic second at which `advance` must be called next.

        Return None when only an event matters.
        """
        now, supervisor, times = self._clock(), self.supervisor, []
        if (overdue := self._overdue_at()) is not None:
            times.append(overdue)
        if supervisor.state in _DOWN:
            times += [model.supervisor.breaker.until for model in self._candidates()]
            if self._advanced_at < self._memory_wait_ends:
                times.append(now + MEMORY_POLL_S)
        if supervisor.state is State.READY:
            times += [self.registry.get(one.fingerprint).supervisor.breaker.until for one in self._demands()]
            times += [supervisor.free_at, self._stays_until]
            if self.launch.idle_unload_s > 0:
                times.append(self._idle_since + self.launch.idle_unload_s)
            if (idle_until := self.examiner.idle_until(self._idle_since)) is not None:
                times.append(idle_until)
        if supervisor.state is State.CHECKING and (until := self.examiner.deadline()) is not None:
            times.append(until)
        # What has become due since `advance` began may be missed there, so it counts too.
        return min((time for time in times if time > self._advanced_at), default=None)
