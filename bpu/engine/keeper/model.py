"""Holds what the keeper knows of one model of the table, loaded or not."""

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
    """Holds a model's launch specification, its supervisor and its examination runner.

    The scheduler's registry owns all models, in the keeper's one thread. At most one has a console, because the
    scheduler ends one before it loads another. `launch` is the newest; `supervisor.launch` is the one that the console
    was started with.
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
        """The id of the model."""
        return self.launch.model

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the newest launch specification."""
        return self.launch.fingerprint

    def load(self) -> None:
        """Start the console with the newest launch specification."""
        self.supervisor.launch = self.launch
        self.supervisor.load()

    @property
    def pause_s(self) -> float:
        """Seconds until the next try to load is allowed; 0 when it is allowed now."""
        return self.supervisor.breaker.wait_s(self._clock())

    @property
    def blocking_fault(self) -> Diagnosis | None:
        """The fault because of which jobs are refused instead of kept waiting for a load.

        It is None without one.
        """
        breaker, fault = self.supervisor.breaker, self.supervisor.fault
        if fault is None or self.supervisor.state is not State.FAILED or self.pause_s == 0:
            return None
        return fault if breaker.is_open or fault.permanent else None

    def status(self) -> dict[str, Any]:
        """Return this model's part of the status."""
        supervisor = self.supervisor
        fault = supervisor.fault if supervisor.state is State.FAILED else None
        return {
            "fingerprint": self.fingerprint,
            "loads": supervisor.loads,
            "load_s": supervisor.load_s,
            "restarts": dict(supervisor.restarts),
            "error": fault.message[:_LONGEST_ERROR] if fault else None,
            "retry_at": supervisor.breaker.until if fault else None,
        }


#: Characters of a model's error in the status; short, because the status lists many models.
_LONGEST_ERROR = 300
