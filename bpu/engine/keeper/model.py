"""One model of the table inside the keeper: all that belongs to it and not to the console that happens to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bpu.console.diagnosis import Diagnosis
from bpu.engine.console_record import ConsoleRecord
from bpu.engine.keeper.examination_runner import ExaminationRunner
from bpu.engine.keeper.supervisor import Supervisor
from bpu.engine.launch_spec import LaunchSpec
from bpu.engine.states import State


class Model:
    """A model's supervisor, with its circuit breaker, traits and load time, and its examiner with the findings.

    The scheduler owns all models. At most one of them has a console, because it ends one before it loads another.
    `launch` is the newest; the supervisor's is the one that its console was started with.
    """

    def __init__(
        self,
        launch: LaunchSpec,
        supervisor: Supervisor,
        record: ConsoleRecord,
        *,
        clock: Callable[[], float],
        first_arrival: Callable[[], float | None],
        log: Callable[[str], None],
    ) -> None:
        self.launch, self.supervisor = launch, supervisor
        self.examiner = ExaminationRunner(launch, supervisor, record, clock=clock, first_arrival=first_arrival, log=log)
        self._clock = clock

    @property
    def name(self) -> str:
        return self.launch.model

    @property
    def key(self) -> str:
        return self.launch.fingerprint

    def load(self) -> None:
        """Start the console by the newest launch."""
        self.supervisor.launch = self.launch
        self.supervisor.load()

    @property
    def pause_s(self) -> float:
        """Seconds until the next try to load is allowed; 0 when it is allowed now."""
        return self.supervisor.breaker.wait_s(self._clock())

    @property
    def lasting_fault(self) -> Diagnosis | None:
        """What keeps this model from being loaded for more than a moment, if anything does."""
        breaker, fault = self.supervisor.breaker, self.supervisor.fault
        if fault is None or self.supervisor.state is not State.FAILED or self.pause_s == 0:
            return None
        return fault if breaker.is_open or fault.permanent else None

    def status(self) -> dict[str, Any]:
        """What the keeper publishes of this model, whichever is loaded."""
        supervisor = self.supervisor
        fault = supervisor.fault if supervisor.state is State.FAILED else None
        return {
            "fingerprint": self.key,
            "loads": supervisor.loads,
            "load_s": supervisor.load_s,
            "restarts": dict(supervisor.restarts),
            "error": fault.message[:_LONGEST_ERROR] if fault else None,
            "retry_at": supervisor.breaker.until if fault else None,
        }


#: Characters of a model's error in the status, which has many models.
_LONGEST_ERROR = 300
