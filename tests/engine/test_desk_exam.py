"""The self-test of an idle console: when it runs, what it finds out, and that it gives way to everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpu.engine.cache import Trust
from bpu.engine.examiner import EXAM_TURN_S, EXAMS
from bpu.engine.process import Exit
from bpu.engine.records import Records
from bpu.engine.states import State
from tests.engine.rig import PROMPT, Rig


def answer(rig: Rig, text: str) -> None:
    line = rig.console.written[-1].decode().rstrip("\n")
    echo = f"<｜begin▁of▁sentence｜><｜User｜>{line}<｜Assistant｜><think>\n\n[Assistant] >>> "
    stats = "\nPerformance prefill: 1113.04tokens/s    decode: 20.22tokens/s\n"
    rig.console.say(echo.encode() + text.encode() + stats.encode() + PROMPT)


def self_tested(rig: Rig, *, forgets: bool) -> None:
    rig.after(2.1)
    word = rig.console.written[-1].decode().split(" is ")[1].split(".")[0]
    answer(rig, "OK")
    answer(rig, word)
    assert rig.console.written[-1] == b"reset\n"
    rig.console.say(PROMPT)
    answer(rig, "I do not know." if forgets else word)


def test_an_idle_console_is_tested_once_and_the_result_is_kept(tmp_path: Path) -> None:
    rig = Rig(tmp_path, reset="auto", continues="auto")
    rig.banner()
    self_tested(rig, forgets=True)
    assert rig.desk.examiner.trust == Trust(keeps=True, resets=True)
    rig.console.say(PROMPT)  # what the test has left in its memory is thrown away at once
    assert rig.state is State.READY
    again = Rig(tmp_path, reset="auto", continues="auto")
    again.desk.records.trust = Records(tmp_path, again.desk.launch).trust
    again.banner()
    again.after(60)
    assert again.console.written == []
    assert again.desk.examiner.trust == Trust(keeps=True, resets=True)


def test_a_reset_that_forgets_nothing_is_found_out(tmp_path: Path) -> None:
    rig = Rig(tmp_path, reset="auto", continues="auto")
    rig.banner()
    self_tested(rig, forgets=False)
    assert rig.desk.examiner.trust == Trust(keeps=True, resets=False)
    assert rig.state is State.STOPPING


def test_a_question_interrupts_the_self_test_and_meets_none_of_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path, reset="auto", continues="auto")
    rig.banner()
    rig.after(2.1)
    job = rig.join()
    assert rig.state is State.STOPPING
    rig.gone()
    rig.banner()
    assert job.peer.going
    assert rig.console.written == []


def test_a_self_test_that_meets_an_error_gives_the_console_up_at_once(tmp_path: Path) -> None:
    """No prompt comes after `run error`, so there is nothing to wait for."""
    rig = Rig(tmp_path, reset="auto", continues="auto")
    rig.banner()
    rig.after(2.1)
    assert rig.state is State.BUSY
    rig.console.say(b"run error\n")
    rig.after(0.5)
    assert rig.state is State.STOPPING
    rig.gone()
    assert rig.supervisor.restarts == {"out_of_step": 1}
    rig.banner()
    assert rig.join().peer.going


def test_a_self_test_that_is_not_answered_ends_the_console_and_is_given_up_for_good(tmp_path: Path) -> None:
    rig = Rig(tmp_path, reset="auto", continues="auto")
    rig.banner()
    for _ in range(EXAMS):
        rig.after(2.1)
        assert rig.state is State.BUSY
        rig.after(EXAM_TURN_S)
        rig.gone(9)
        rig.banner()
    rig.after(600)
    assert rig.state is State.READY
    assert rig.console.written == []
    assert rig.desk.examiner.trust == Trust()


@pytest.mark.parametrize("answered", [0, 1, 2, 3])
@pytest.mark.parametrize("order", ["unload", "stop", "crash", "join"])
def test_whatever_comes_between_the_questions_of_a_self_test_it_gives_the_console_back(
    tmp_path: Path, answered: int, order: str
) -> None:
    rig = Rig(tmp_path, reset="auto", continues="auto")
    rig.banner()
    rig.after(2.1)
    word = rig.console.written[-1].decode().split(" is ")[1].split(".")[0]
    for number in range(answered):
        rig.console.say(PROMPT) if number == 2 else answer(rig, word)
    assert rig.state is State.BUSY
    if order == "crash":
        rig.console.die(Exit(None, 11))
    elif order == "join":
        rig.join()
    else:
        getattr(rig.desk, order)()
        rig.settle()
    rig.after(EXAM_TURN_S)
    assert rig.state is not State.BUSY


def test_until_it_is_tested_a_console_is_not_trusted(tmp_path: Path) -> None:
    rig = Rig(tmp_path, reset="auto", continues="auto")
    rig.banner()
    rig.finish(rig.join(), digest="chat", tokens=10)
    assert rig.state is State.STOPPING
