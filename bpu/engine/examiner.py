"""Runs the self-test on the idle console, once for each console known by its checksum, and records what it showed.

It borrows the console between jobs and gives way to every job.
"""

from __future__ import annotations

import os

from bpu.engine.cache import UNKNOWN, Trust
from bpu.engine.launch import Launch
from bpu.engine.records import Records
from bpu.engine.selftest import SelfTest, Step
from bpu.engine.supervisor import Supervisor

#: How long the console idles before it is tested: a first question should find it free.
EXAM_IDLE_S = 2.0
EXAM_TURN_S = 90.0
EXAMS = 2


class Examiner:
    """At most one test at a time, `EXAMS` tries in the life of a keeper."""

    def __init__(self, launch: Launch, supervisor: Supervisor, records: Records) -> None:
        self._launch, self._supervisor, self._records = launch, supervisor, records
        self._test: SelfTest | None = None
        self._left = EXAMS

    @property
    def trust(self) -> Trust:
        """What may be relied on: the settings' word, else what the test has shown."""
        seen, profile = self._records.trust or Trust(), self._supervisor.profile
        keeps = {"always": True, "never": False}.get(self._launch.continues, seen.keeps)
        resets = {"command": True, "restart": False}.get(self._launch.reset, seen.resets)
        return Trust(
            keeps=keeps and profile.multi_turn is not False,
            resets=resets and profile.reset is not None,
            forgets=profile.forgets,
        )

    @property
    def wanted(self) -> bool:
        """Whether something is to be found out: nothing is recorded, and the settings do not say it."""
        launch, profile = self._launch, self._supervisor.profile
        undecided = launch.reset == "auto" or launch.continues == "auto"
        if not undecided or launch.per_job or profile.forgets:
            return False
        return self._left > 0 and self._records.trust is None

    def due(self, idle_since: float, now: float) -> bool:
        return now >= idle_since + EXAM_IDLE_S and self.wanted

    def begin(self) -> None:
        if self._supervisor.take():
            self._left -= 1
            self._test = SelfTest(os.urandom(4).hex().upper())
            self._go_on()

    def _go_on(self, heard: str | None = None) -> None:
        test = self._test
        if test is None:
            return
        if heard is not None:
            test.heard(heard)
        if test.step is Step.RESET:
            self._supervisor.reset(lambda: self._go_on(""))
        elif (line := test.line()) is not None:
            self._supervisor.ask(line, self._go_on, limit_s=EXAM_TURN_S)
        else:
            self._test = None
            assert test.trust is not None
            self._records.save(test.trust)
            self._supervisor.give_back(UNKNOWN)

    def interrupt(self) -> None:
        """A person's question comes first; the test is repeated when nobody asks."""
        if self._test is not None:
            self._test = None
            self._left += 1
            self._supervisor.end("self_test_interrupted")

    def give_up(self) -> None:
        """The console is gone, and with it the test."""
        self._test = None
