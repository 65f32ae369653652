"""Random orders of events: at most one job runs, no job is lost, and every job ends."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule

from bpu.console.pace import LONGEST_SILENCE_S
from bpu.engine.console_examination import Findings
from bpu.engine.console_process import Exit
from bpu.engine.states import State
from tests.unit.engine.rig import PROMPT, Rig

ENDS = ("refused", "exit")


class JobState(RuleBasedStateMachine):
    """`over` are the jobs that have ended in any way; what a job was told tells the rest."""

    jobs = Bundle("jobs")
    #: What is known of the console: None has examinations come in between.
    findings: Findings | None = Findings(True, True)

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.rig = Rig(Path(self.folder.name), findings=self.findings, reset="auto", continues="auto", queue_limit=4)
        self.all: list[Any] = []
        self.over: list[Any] = []
        self.went: list[Any] = []

    def teardown(self) -> None:
        """Left alone with a healthy console, every job that still waits is served."""
        for _ in range(200):
            self._note()
            waiting = [job for job in self.all if job not in self.over]
            if not waiting:
                break
            self._help()
        assert [job.id for job in self.all if job not in self.over] == []
        self.folder.cleanup()

    def _help(self) -> None:
        if self.rig.state() is State.STARTING:
            self.rig.banner()
        elif self.rig.state() is State.STOPPING:
            self.rig.gone()
        elif self.rig.state() is State.FAILED:
            self.rig.after(61)
        elif self.running is not None:
            self._finish("")
        elif self._fenced:
            self.rig.console.say(PROMPT)
            self.rig.after(LONGEST_SILENCE_S)
        elif self._examined:
            self._answer_exam("")
            self.rig.after(LONGEST_SILENCE_S)
        else:
            self.rig.after(1.0)

    @property
    def running(self) -> Any:
        return self.rig.scheduler.running

    @property
    def _fenced(self) -> bool:
        rig = self.rig
        taken = rig.state() is State.CHECKING or (rig.state() is State.BUSY and self.running is None)
        return taken and rig.console.written[-1:] == [b"reset\n"]

    @property
    def _examined(self) -> bool:
        """A question of the examination is with the console."""
        return self.rig.state() is State.CHECKING and not self._fenced

    def _answer_exam(self, text: str) -> None:
        self.rig.console.answer(self.rig.console.written[-1].decode().rstrip("\n"), text)

    def _note(self) -> None:
        for job in self.all:
            if job not in self.over and any(job.peer.received(end) for end in ENDS):
                self.over.append(job)
            if job.peer.going and job not in self.went:
                self.went.append(job)

    def _finish(self, digest: str) -> None:
        job = self.running
        self.rig.finish(job, digest=digest, tokens=10)
        self.over.append(job)

    @rule(target=jobs, prefix_digest=st.sampled_from(["", "a", "b"]), late=st.sampled_from([0.0, 0.05]))
    def come(self, prefix_digest: str, late: float) -> Any:
        job = self.rig.join(prefix_digest=prefix_digest, continuation_tokens=1, arrived=self.rig.now - late)
        self.all.append(job)
        return multiple(job)

    @rule(job=jobs)
    def remove(self, job: Any) -> None:
        if job not in self.over:
            self.rig.remove(job)
            self.over.append(job)

    @rule(job=jobs)
    def cancel(self, job: Any) -> None:
        assert self.rig.scheduler.cancel(job.id) == (job not in self.over)
        self.rig.settle()

    @precondition(lambda self: self.running is not None)
    @rule(digest=st.sampled_from(["", "a", "b"]))
    def finish(self, digest: str) -> None:
        self._finish(digest)

    @precondition(lambda self: self.rig.state() is State.STARTING)
    @rule()
    def banner(self) -> None:
        self.rig.banner()

    @precondition(lambda self: self.rig.state() is State.STOPPING)
    @rule()
    def gone(self) -> None:
        self.rig.gone()

    @precondition(lambda self: self._fenced)
    @rule(answer=st.sampled_from([PROMPT, PROMPT, b"a late word\n" + PROMPT]))
    def fence(self, answer: bytes) -> None:
        self.rig.console.say(answer)

    @precondition(lambda self: self._examined)
    @rule(knows=st.booleans())
    def exam(self, knows: bool) -> None:
        told = [line.decode() for line in self.rig.console.written if b" is " in line and b"secret" in line]
        self._answer_exam(" ".join(told) if knows else "I do not know.")

    @precondition(lambda self: self._examined)
    @rule()
    def exam_fails(self) -> None:
        self.rig.console.say(b"run error\n")
        self.rig.after(5.0)

    @precondition(lambda self: self.rig.state() in (State.STARTING, State.CHECKING, State.READY, State.BUSY))
    @rule(ended=st.sampled_from([Exit(0, None), Exit(1, None), Exit(None, 11)]))
    def crash(self, ended: Exit) -> None:
        self.rig.console.die(ended)

    @rule(order=st.sampled_from(["load", "unload", "examine"]))
    def order(self, order: str) -> None:
        getattr(self.rig.scheduler, order)()
        self.rig.settle()

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 50.0]))
    def time_passes(self, seconds: float) -> None:
        self.rig.after(seconds)

    @invariant()
    def one_job_at_most(self) -> None:
        self._note()
        active = [job for job in self.went if job not in self.over]
        assert len(active) <= 1
        assert active == ([self.running] if self.running is not None else [])
        if active:
            assert self.rig.state() is State.BUSY

    @invariant()
    def one_console_at_most(self) -> None:
        living = [console for console in self.rig.consoles if not console.closed]
        assert len(living) == (0 if self.rig.state() in (State.STOPPED, State.FAILED) else 1)

    @invariant()
    def nobody_is_lost(self) -> None:
        self._note()
        preparing = self.rig.scheduler._preparing
        known = [
            *self.rig.scheduler.queue,
            *([self.running] if self.running else []),
            *([preparing] if preparing else []),
        ]
        assert sorted(job.id for job in self.all if job not in self.over) == sorted(job.id for job in known)

    @invariant()
    def only_the_same_conversation_is_continued(self) -> None:
        for job in self.went:
            start = job.peer.received("start")[0]
            assert not start["continued"] or job.prefix_digest != ""

    @invariant()
    def a_busy_console_is_busy_with_something(self) -> None:
        scheduler = self.rig.scheduler
        if self.rig.state() is State.CHECKING or (self.rig.state() is State.BUSY and scheduler.running is None):
            assert self.rig.supervisor.deadline() is not None, "whatever it is, it has an end"

    @invariant()
    def nothing_of_an_examination_reaches_a_job(self) -> None:
        if self.running is not None:
            lines = self.rig.console.written
            asked = [number for number, line in enumerate(lines) if b"secret" in line]
            assert not asked or b"reset\n" in lines[asked[-1] :]


class LifeWithExamination(JobState):
    """As above, on a console of which nothing is known yet."""

    findings = None


TestLife = JobState.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLifeWithExamination = LifeWithExamination.TestCase
TestLifeWithExamination.settings = TestLife.settings
