"""Examines an unknown console when it is loaded, before it is called ready, and decides what it is trusted with.

Every try begins on a fresh process, and a try that is cut short ends the process: nothing of it reaches a job. A try
is recorded when it begins, so that a console, a board or a service that ends with each try is not examined for ever.
The keeper's scheduler owns the runner and calls it in the keeper's one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bpu.engine.console_examination import ANSWERS, ConsoleExamination, Step
from bpu.engine.console_record import ConsoleRecord
from bpu.engine.keeper.kv_cache import EMPTY, UNKNOWN, Capabilities
from bpu.engine.keeper.supervisor import Supervisor
from bpu.engine.launch_spec import LaunchSpec

#: Tries at a load; further ones wait for a long idle time.
MAX_ATTEMPTS = 2
#: The longest answer; a console that has not answered by then is ended.
ANSWER_LIMIT_S = 240.0
#: How long a console idles before what others have measured of it is examined.
FIRST_IDLE_S = 2.0
#: How long an unknown console idles before a further try; doubled for each try after the second.
LONG_IDLE_S = 600.0
_MOST_DOUBLINGS = 8


class ExaminationRunner:
    """At most one examination at a time.

    `first_arrival` gives the monotonic second at which the first waiting job came, None while no job waits.
    `log` takes a line for the gateway's log.
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
        #: Examinations that came to their end in this process's life.
        self.finished = 0
        #: The next load begins with an examination, whatever was tried before.
        self._asked_for = False
        #: A person has asked for it: also if everything is known already.
        self._by_hand = False
        self._asked_at = 0.0
        #: Seconds that an answer takes, from the answers so far or the last try; None before the first one.
        self._answer_s: float | None = None
        supervisor.must_examine = self._must_examine

    # What may be relied on

    @property
    def capabilities(self) -> Capabilities:
        """The settings' word, else what an examination has proved, else what is publicly known."""
        profile, found, belief = self._supervisor.profile, self.record.findings, self._supervisor.profile.belief
        retains = bool(found.retains_history or (belief and belief.retains_history))
        works = bool(found.reset_works or (belief and belief.reset_works)) and found.reset_works is not False
        retains = {"always": True, "never": False}.get(self._launch.continues, retains)
        works = {"command": True, "restart": False}.get(self._launch.reset, works)
        return Capabilities(
            retains_history=retains and profile.multi_turn is not False,
            reset_works=works and profile.reset is not None and not profile.ineffective_reset,
            stateless=bool(belief and belief.stateless) and not found.retains_history,
        )

    @property
    def source(self) -> str:
        """Where the capabilities come from: `settings`, `examination`, `public`, `measured by others`, `unknown`."""
        found, belief = self.record.findings, self._supervisor.profile.belief
        if self._launch.reset != "auto" and self._launch.continues != "auto":
            return "settings"
        if found.reset_works is not None or found.retains_history:
            return "examination"
        if belief is not None:
            return "measured by others" if belief.measured else "public"
        return "unknown"

    @property
    def is_useful(self) -> bool:
        """Whether an examination could find out something that nothing else says."""
        launch, profile, found = self._launch, self._supervisor.profile, self.record.findings
        belief = profile.belief
        if launch.per_job or (belief is not None and not belief.measured):
            return False
        if belief is not None and found.retains_history:
            return False
        reset = launch.reset == "auto" and profile.reset is not None and not profile.ineffective_reset
        history = launch.continues == "auto" and profile.multi_turn is not False
        return (reset and found.reset_works is None) or (history and not found.retains_history)

    # When

    def _must_examine(self) -> bool:
        """Called at the first prompt of every load: this is the moment at which a try may begin."""
        pid = self._supervisor.console_pid
        assert pid is not None
        self.record.identify(pid)
        asked, self._asked_for = self._asked_for, False
        if not (self.is_useful or self._by_hand) or self._waits_too_long():
            return False
        believed = self._supervisor.profile.belief is not None
        return asked or self._by_hand or (not believed and self.record.tries < MAX_ATTEMPTS)

    def request(self) -> None:
        """A person wants an examination: it begins at the next load, which comes as soon as no job is left."""
        self._by_hand = not self.running

    def idle_until(self, idle_since: float) -> float | None:
        """The moment at which a console that idles so long is loaded anew for an examination; None: never."""
        if self._by_hand:
            return idle_since
        if not self.is_useful:
            return None
        tries = self.record.tries
        if self._supervisor.profile.belief is not None:
            return idle_since + FIRST_IDLE_S if tries < MAX_ATTEMPTS else None
        return idle_since + LONG_IDLE_S * 2.0 ** min(_MOST_DOUBLINGS, max(0, tries - MAX_ATTEMPTS))

    def begin_if_idle(self, idle_since: float) -> bool:
        """Load the console anew for an examination if it has idled long enough."""
        due = self.idle_until(idle_since)
        if due is None or self._clock() < due:
            return False
        self._asked_for = True
        self._supervisor.end("examination", polite=True)
        return True

    # The examination

    @property
    def running(self) -> bool:
        return self._examination is not None

    def progress(self) -> dict[str, Any] | None:
        """How far it is, for people: answers so far, answers in all, and the moment at which it is likely over."""
        if self._examination is None:
            return None
        left, ends = self._examination.answers_left, self._ends_at()
        return {"answers": ANSWERS - left, "of": ANSWERS, "ends_at": ends}

    def advance(self) -> None:
        """In state `checking`: begin, or give way to a job that has waited too long."""
        if self._examination is None:
            self._examination = ConsoleExamination(context=self._launch.context)
            self._by_hand = False
            self.record.begin_try()
            self._log(f"examining the console, once in its life: 0 of {ANSWERS} answers")
            self._ask()
        elif self._is_overdue():
            # The answer that did not come in time says how slow the model is at least.
            self._answer_s = max(self._answer_s or 0.0, self._clock() - self._asked_at)
            self._supervisor.end("examination_cut")

    def deadline(self) -> float | None:
        """The moment at which the first waiting job has waited as long as it may."""
        arrived, examination = self._first_arrival(), self._examination
        if arrived is None or examination is None or examination.step is Step.OVER:
            return None
        return arrived + self._launch.exam_limit_s

    def close(self) -> None:
        """The console is no longer being examined: it is ready, or it is gone."""
        self._examination = None

    def _is_overdue(self) -> bool:
        until = self.deadline()
        return until is not None and self._clock() >= until

    def _ends_at(self) -> float | None:
        if self._examination is None or self._answer_s is None:
            return None
        return self._asked_at + self._answer_s * self._examination.answers_left

    def _waits_too_long(self) -> bool:
        """Whether the first waiting job would wait longer than it may; without any answer yet only if it does now."""
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
        self.record.save(examination.findings)
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
