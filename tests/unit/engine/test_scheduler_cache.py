"""Tests how the next job starts on a console: continued, after a reset, or on a new process."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpu.console.traits import TurnReport
from bpu.engine.keeper.background_threads import BackgroundThreads
from bpu.engine.keeper.kv_cache import UNKNOWN
from bpu.engine.states import State
from bpu.engine.timed_reader import RestProbe, Sample
from tests.unit.engine.rig import PROMPT, PROVEN, Rig


def test_a_continued_conversation_is_not_reset(ready: Rig) -> None:
    ready.finish(ready.join(), digest="chat", tokens=50)
    job = ready.join(prefix_digest="chat", continuation_tokens=5)
    start = job.peer.received("start")[0]
    assert (start["continued"], start["cached"]) == (True, 50)
    assert ready.console.written == []


def test_another_conversation_begins_behind_a_reset_fence(ready: Rig) -> None:
    ready.finish(ready.join(), digest="chat", tokens=50)
    job = ready.join(prefix_digest="other", continuation_tokens=5)
    assert ready.console.written == [b"reset\n"]
    assert not job.peer.going
    ready.console.say(PROMPT)
    start = job.peer.received("start")[0]
    assert (start["continued"], start["cached"]) == (False, 0)


def test_during_the_reset_for_a_job_nothing_else_is_told_for_a_moment(ready: Rig) -> None:
    ready.finish(ready.join(), digest="one")
    ready.now += 60
    job = ready.join(prefix_digest="another")
    assert not job.peer.going
    assert ready.now < ready.scheduler.hand_over_until < ready.now + 0.1
    ready.console.say(PROMPT)
    assert job.peer.going
    ready.now += 0.1
    assert ready.scheduler.hand_over_until < ready.now


def test_a_reset_that_answers_anything_but_the_prompt_ends_the_console_and_the_job_keeps_its_place(ready: Rig) -> None:
    ready.finish(ready.join(), digest="chat", tokens=50)
    job, later = ready.join(), ready.join()
    ready.console.say(b"Sure, here is a poem\n" + PROMPT)
    assert ready.state() is State.STOPPING
    ready.gone()
    ready.banner()
    assert job.peer.going
    assert not later.peer.going
    assert job.peer.error == ""
    assert ready.supervisor.restarts == {"out_of_step": 1}


class Busy(RestProbe):
    """A thread of the console runs between any two looks; which ones run although it waits is not known."""

    runs = 0

    def __init__(self) -> None:
        super().__init__([])

    def sample(self) -> Sample:
        self.runs += 1
        return {7: self.runs}


def test_a_console_at_work_behind_the_prompt_of_its_reset_is_ended(ready: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.finish(ready.join(), digest="chat", tokens=50, report=TurnReport(at_rest=True))
    monkeypatch.setattr(BackgroundThreads, "rest_probe", lambda watch: Busy())
    job = ready.join()
    ready.console.say(PROMPT)
    ready.after(4.0)
    assert not job.peer.going
    ready.gone()
    ready.banner()
    ready.after(1.0)
    assert job.peer.going
    assert ready.supervisor.restarts == {"unproven_end": 1}


def test_a_job_that_leaves_during_its_reset_leaves_the_console_in_use(ready: Rig) -> None:
    ready.finish(ready.join(), digest="chat", tokens=50)
    leaver = ready.join()
    ready.remove(leaver)
    waiting = ready.join()
    ready.console.say(PROMPT)
    assert waiting.peer.going
    assert ready.supervisor.loads == 1


def test_without_a_trusted_reset_the_process_is_restarted_between_conversations(tmp_path: Path) -> None:
    rig = Rig(tmp_path, reset="restart")
    rig.banner()
    rig.finish(rig.join(), digest="chat", tokens=50)
    assert rig.state() is State.READY
    job = rig.join(prefix_digest="other")
    assert rig.state() is State.STOPPING
    rig.gone()
    rig.banner()
    assert job.peer.going
    assert b"reset\n" not in [line for console in rig.consoles for line in console.written]


def test_what_cannot_be_continued_is_reset_before_anybody_waits_for_it(ready: Rig) -> None:
    ready.finish(ready.join())
    assert ready.console.written == [b"reset\n"]
    ready.console.say(PROMPT)
    assert ready.state() is State.READY
    job = ready.join()
    assert job.peer.going
    assert ready.console.written == [b"reset\n"]


def test_who_comes_during_such_a_reset_goes_next_even_where_nobody_may_wait(tmp_path: Path) -> None:
    rig = Rig(tmp_path, reset="command", queue_limit=0)
    rig.banner()
    rig.finish(rig.join())
    job = rig.join()
    assert job.peer.error == ""
    rig.console.say(PROMPT)
    assert job.peer.going


def test_what_cannot_be_continued_is_thrown_away_at_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path, reset="restart")
    rig.banner()
    rig.finish(rig.join())
    assert rig.state() is State.STOPPING
    rig.gone()
    assert rig.state() is State.STARTING


# A job that sends the reset itself


def test_where_nothing_is_ever_continued_the_job_is_asked_to_send_the_reset(tmp_path: Path) -> None:
    for continues, asked in (("never", True), ("always", False)):
        rig = Rig(tmp_path, reset="command", continues=continues)
        rig.banner()
        assert rig.join().peer.received("start")[0]["resets"] is asked


class Handed:
    """A job that has ended and sent its `reset`, with the next one waiting; `before` came meanwhile."""

    def __init__(self, folder: Path, *, before: bytes = b"") -> None:
        self.rig = Rig(folder, reset="command", continues="never")
        self.rig.banner()
        first, self.waiting = self.rig.join(), self.rig.join()
        if before:
            self.rig.console.pending[self.rig.console.stdout].append(before)
        self.rig.scheduler.finish(first, PROVEN, UNKNOWN, reset_sent=True)
        self.rig.settle()


def test_a_reset_that_its_job_has_sent_is_waited_for_and_not_written_again(tmp_path: Path) -> None:
    handed = Handed(tmp_path)
    assert not handed.waiting.peer.going, "the prompt after the reset has not come"
    handed.rig.console.say(PROMPT)
    assert handed.waiting.peer.going
    assert handed.rig.console.written == []


def test_a_prompt_after_such_a_reset_that_is_there_already_is_taken_at_once(tmp_path: Path) -> None:
    handed = Handed(tmp_path, before=PROMPT)
    assert handed.waiting.peer.going
    assert handed.rig.console.written == []


def test_anything_but_the_prompt_after_such_a_reset_ends_the_console(tmp_path: Path) -> None:
    handed = Handed(tmp_path)
    handed.rig.console.say(b"one word more" + PROMPT)
    assert handed.rig.state() is State.STOPPING
    assert not handed.waiting.peer.going
