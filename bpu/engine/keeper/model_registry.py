"""Keeps the launch specifications of clients, and the models that were needed."""

from __future__ import annotations

from collections.abc import Callable

from bpu.engine.console_record import ConsoleRecord
from bpu.engine.keeper.model import Model
from bpu.engine.keeper.supervisor import Supervisor
from bpu.engine.launch_spec import LaunchSpec

#: More launch specifications than any table has; the oldest unused ones are dropped.
MOST_LAUNCHES = 300

#: Makes the supervisor and the record of a model when it is first needed.
MakeParts = Callable[[LaunchSpec], tuple[Supervisor, ConsoleRecord]]


class ModelRegistry:
    """All launch specifications by fingerprint, and the models made of them.

    The scheduler owns it, in the keeper's one thread.

    Invariant: every fingerprint in `models` is also registered, and what `fingerprints_in_use` names is never dropped.
    """

    def __init__(
        self,
        *,
        make_parts: MakeParts | None,
        fingerprints_in_use: Callable[[], set[str]],
        clock: Callable[[], float],
        first_arrival: Callable[[], float | None],
        log: Callable[[str], None],
    ) -> None:
        """`fingerprints_in_use` gives the fingerprints that jobs, orders and the console need now."""
        self._make_parts, self._fingerprints_in_use = make_parts, fingerprints_in_use
        self._clock, self._first_arrival, self._log = clock, first_arrival, log
        self._launches: dict[str, LaunchSpec] = {}
        #: The fingerprint of the newest launch of each model id.
        self._newest: dict[str, str] = {}
        #: Models that were needed at least once, by fingerprint.
        self.models: dict[str, Model] = {}

    def knows(self, fingerprint: str) -> bool:
        """Whether a launch with this fingerprint is registered."""
        return fingerprint in self._launches

    def register(self, launch: LaunchSpec, *, newest: bool) -> None:
        """Add a launch.

        With `newest` it also becomes its model's launch for loads that no job asks for.
        """
        fingerprint = launch.fingerprint
        if newest or fingerprint not in self._launches:
            self._launches[fingerprint] = launch
            if fingerprint in self.models:
                self.models[fingerprint].launch = launch
        if newest or launch.model not in self._newest:
            self._newest[launch.model] = fingerprint
        self._drop_unused()

    def fingerprint_of(self, name: str) -> str | None:
        """Return the fingerprint of the newest launch of the model with this id."""
        return self._newest.get(name)

    def name_of(self, fingerprint: str) -> str:
        """Return the model id of a registered launch."""
        return self._launches[fingerprint].model

    def get(self, fingerprint: str) -> Model:
        """Return the model of a registered launch; make it if it was never needed before."""
        if fingerprint not in self.models:
            assert self._make_parts is not None, "only the default model's parts were given"
            launch = self._launches[fingerprint]
            self.add(launch, *self._make_parts(launch))
        return self.models[fingerprint]

    def newest_of(self, model: Model) -> Model:
        """Return the model of the newest launch with the same id."""
        return self.get(self._newest.get(model.name, model.fingerprint))

    def add(self, launch: LaunchSpec, supervisor: Supervisor, record: ConsoleRecord) -> Model:
        """Register a launch together with its supervisor and record."""
        self._launches[launch.fingerprint] = launch
        self._newest.setdefault(launch.model, launch.fingerprint)
        model = Model(launch, supervisor, record, clock=self._clock, first_arrival=self._first_arrival, log=self._log)
        self.models[launch.fingerprint] = model
        return model

    def _drop_unused(self) -> None:
        needed = {*self._newest.values(), *self._fingerprints_in_use()}
        unused = [fingerprint for fingerprint in self._launches if fingerprint not in needed]
        for fingerprint in unused[: max(0, len(self._launches) - MOST_LAUNCHES)]:
            del self._launches[fingerprint]
            self.models.pop(fingerprint, None)
