"""Examines an unknown console after a load, before it is ready, and derives its capabilities.

Every try begins on a fresh process, and a try that is cut short ends the process, so that no job meets its words. A
try is recorded when it begins, so that a console, a board or a service that ends with each try is not examined for
ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bpu.engine.capabilities import Capabilities, capabilities_of, source_of
from bpu.engine.console_examination import ANSWERS, ConsoleExamination, Step
from bpu.engine.console_record import ConsoleRecord
from bpu.engine.keeper.kv_cache import EMPTY, UNKNOWN
from bpu.engine.keeper.supervisor import Supervisor
from bpu.engine.launch_spec import LaunchSpec

#: Tries that begin at a load; further ones wait for a long idle time.
MAX_ATTEMPTS = 2
#: Time limit of one answer; the console is ended after it.
ANSWER_LIMIT_S = 240.0
#: Idle seconds before an examination that checks what others have measured of this console.
FIRST_IDLE_S = 2.0
#: Idle seconds before a further try on an unknown console; doubled for each try after the second.
LONG_IDLE_S = 600.0
_MOST_DOUBLINGS = 8


class ExaminationRunner:
    """Runs at most one examination at a time.

    The model owns it, and the scheduler calls it in the keeper's one thread. `first_arrival` gives the monotonic second
    at which the first waiting job came, None while no job waits. `log` takes a line for the gateway's log.
    """

    def __init__(
        self,
        launch: LaunchSpec,
        supervisor: Supervisor,
        record: ConsoleRecord,
        *,
        clock: Callable[[], float],
        first_arrival: Callable[[], float | None],
        log: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.record = record
        self._launch, self._supervisor, self._clock = launch, supervisor, clock
        self._first_arrival, self._log = first_arrival, log
        self._examination: ConsoleExamination | None = None
        #: Count of completed examinations since the keeper started.
        self.finished = 0
        #: The next load begins with an examination, regardless of earlier tries.
        self._asked_for = False
        #: An operator ordered an examination, even if all capabilities are known.
        self._by_hand = False
        self._asked_at = 0.0
        #: Mean seconds of an answer in this or the last try; None before the first answer.
        self._answer_s: float | None = None
        supervisor.must_examine = self._must_examine

    # Capabilities

    @property
    def capabilities(self) -> Capabilities:
        """What the settings say, else what an examination has proved, else what is publicly known."""
        return capabilities_of(self._launch, self._supervisor.profile, self.record.findings)

    @property
    def source(self) -> str:
        """Source of the capabilities: `settings`, `examination`, `public`, `measured by others` or `unknown`."""
        return source_of(self._launch, self._supervisor.profile, self.record.findings)

    @property
    def is_useful(self) -> bool:
        """Whether an examination could show something that no other source says."""
        launch, profile, found = self._launch, self._supervisor.profile, self.record.findings
        known = profile.public_knowledge
        if launch.per_job or (known is not None and not known.measured):
            return False
        if known is not None and found.retains_history:
            return False
        reset = launch.reset == "auto" and profile.reset is not None and not profile.ineffective_reset
        history = launch.continues == "auto" and profile.multi_turn is not False
        return (reset and found.reset_works is None) or (history and not found.retains_history)

    # When

    def _must_examine(self) -> bool:
        """Decide whether a try begins.

        The supervisor calls it at the first prompt of every load.
        """
        pid = self._supervisor.console_pid
        assert pid is not None
        self.record.identify(pid)
        asked, self._asked_for = self._asked_for, False
        if not (self.is_useful or self._by_hand) or self._waits_too_long():
            return False
        is_known = self._supervisor.profile.public_knowledge is not None
        return asked or self._by_hand or (not is_known and self.record.tries < MAX_ATTEMPTS)

    def request(self) -> None:
        """Order an examination at the next load, which comes when no job is left."""
        self._by_hand = not self.running

    def idle_until(self, idle_since: float) -> float | None:
        """Return when a console that idles since `idle_since` is reloaded for an examination; None: never."""
        if self._by_hand:
            return idle_since
        if not self.is_useful:
            return None
        tries = self.record.tries
        if self._supervisor.profile.public_knowledge is not None:
            return idle_since + FIRST_IDLE_S if tries < MAX_ATTEMPTS else None
        return idle_since + LONG_IDLE_S * 2.0 ** min(_MOST_DOUBLINGS, max(0, tries - MAX_ATTEMPTS))

    def begin_if_idle(self, idle_since: float) -> bool:
        """Reload the console for an examination if it has idled long enough."""
        due = self.idle_until(idle_since)
        if due is None or self._clock() < due:
            return False
        self._asked_for = True
        self._supervisor.end("examination", polite=True)
        return True

    # The examination

    @property
    def running(self) -> bool:
        """Whether an examination is in progress."""
        return self._examination is not None

    def progress(self) -> dict[str, Any] | None:
        """Return the progress for the status.

        Answers so far, of how many, and the estimated end.
        """
        if self._examination is None:
            return None
        left, ends = self._examination.answers_left, self._ends_at()
        return {"answers": ANSWERS - left, "of": ANSWERS, "ends_at": ends}

    def advance(self) -> None:
        """In state `checking`: begin, or stop for a job that has waited too long."""
        if self._examination is None:
            self._examination = ConsoleExamination(context=self._launch.context)
            self._by_hand = False
            self.record.begin_try()
            self._log(f"examining the console, only once: 0 of {ANSWERS} answers")
            self._ask()
        elif self._is_overdue():
            # The answer that did not come in time gives a lower bound on the time of an answer.
            self._answer_s = max(self._answer_s or 0.0, self._clock() - self._asked_at)
            self._supervisor.end("examination_cut")

    def deadline(self) -> float | None:
        """Return when the first waiting job reaches its limit.

        Return None when no job waits or no answer is left.
        """
        arrived, examination = self._first_arrival(), self._examination
        if arrived is None or examination is None or examination.step is Step.OVER:
            return None
        return arrived + self._launch.exam_limit_s

    def close(self) -> None:
        """Forget the examination, because the console is ready or has ended."""
        self._examination = None

    def _is_overdue(self) -> bool:
        until = self.deadline()
        return until is not None and self._clock() >= until

    def _ends_at(self) -> float | None:
        if self._examination is None or self._answer_s is None:
            return None
        return self._asked_at + self._answer_s * self._examination.answers_left

    def _waits_too_long(self) -> bool:
        """Whether the first waiting job would exceed its limit.

        This is estimated from the answers so far.
        """
        arrived = self._first_arrival()
        if arrived is None:
            return False
        left = ANSWERS if self._examination is None else self._examination.answers_left
        ends = self._clock() + left * (self._answer_s or 0.0)
        return ends >= arrived + self._launch.exam_limit_s

    def _ask(self) -> None:
        examination = self._examination
        assert examination is not None
        line = examination.line()
        self._asked_at = self._clock()
        profile = self._supervisor.profile
        if examination.step is Step.RESET and profile.reset is not None and not profile.ineffective_reset:
            self._supervisor.reset(self._on_reset)
        elif line is not None:
            self._supervisor.ask(line, self._on_answer, limit_s=ANSWER_LIMIT_S)
        else:
            self._finish(examination)

    def _on_reset(self) -> None:
        if self._examination is not None:
            self._examination.on_reset()
            self._ask()

    def _on_answer(self, text: str) -> None:
        examination = self._examination
        if examination is None:
            return
        seconds = self._clock() - self._asked_at
        answers = ANSWERS - examination.answers_left
        self._answer_s = ((self._answer_s or 0.0) * answers + seconds) / (answers + 1)
        examination.on_answer(text)
        if examination.step is not Step.OVER and self._waits_too_long():
            self._supervisor.end("examination_cut")
        else:
            self._log_progress(examination)
            self._ask()

    def _log_progress(self, examination: ConsoleExamination) -> None:
        if left := examination.answers_left:
            rest_s = round(left * (self._answer_s or 0.0))
            self._log(f"examining the console: {ANSWERS - left} of {ANSWERS} answers, about {rest_s} s left")

    def _finish(self, examination: ConsoleExamination) -> None:
        # What others have measured holds until a recall disproves it, so one whole examination is enough.
        is_known = self._supervisor.profile.public_knowledge is not None
        self.record.save(examination.findings, least_tries=MAX_ATTEMPTS if is_known else 0)
        self.finished += 1
        capabilities, found = self.capabilities, self.record.findings
        self._log(
            f"console examined: history {'kept' if found.retains_history else 'unknown'}, reset "
            + {True: "works", False: "forgets nothing", None: "unknown"}[found.reset_works]
        )
        if capabilities.reset_works:
            self._supervisor.reset(lambda: self._supervisor.give_back(EMPTY))
        elif capabilities.stateless:
            self._supervisor.give_back(UNKNOWN)
        else:
            self._supervisor.end("examined")
