"""Tests when an examination runs, what it finds, what ends it, and that no job meets its words."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bpu.engine.capabilities import Capabilities
from bpu.engine.console_examination import Findings
from bpu.engine.console_process import Exit
from bpu.engine.console_record import CodeFile
from bpu.engine.keeper.examination_runner import ANSWER_LIMIT_S, FIRST_IDLE_S, LONG_IDLE_S, MAX_ATTEMPTS
from bpu.engine.keeper.status_report import status_of
from bpu.engine.states import State, Transition
from tests.unit.engine.rig import PROMPT, Rig

SINGLE = "板端大模型对话交互demo，请输入你的问题并按下回车 \n- 退出请输入exit\n- 清除缓存请输入reset\n"
TOLD = re.compile(r"secret word is (\w+)")


def unknown(folder: Path, **changes: Any) -> Rig:
    """A rig whose settings say nothing about the console's memory."""
    return Rig(folder, **{"reset": "auto", "continues": "auto", **changes})


def loaded(folder: Path, **changes: Any) -> Rig:
    """The same, when the console has printed its banner and its first prompt."""
    rig = unknown(folder, **changes)
    rig.banner()
    return rig


def lines(rig: Rig) -> list[str]:
    return [line.decode().rstrip("\n") for line in rig.console.written]


def told(rig: Rig) -> list[str]:
    return TOLD.findall("\n".join(lines(rig)))


def answer(rig: Rig, text: str, *, seconds: float = 0.0) -> None:
    """Let the console answer the last line."""
    rig.now += seconds
    rig.console.answer(lines(rig)[-1], text)


def go_on(rig: Rig, *, resets: bool = True, keeps: bool = True, seconds: float = 0.0) -> None:
    """Do the examination's next step with a model that names every word it knows."""
    if lines(rig)[-1] == "reset":
        rig.console.say(PROMPT)
        return
    known = told(rig) if keeps else TOLD.findall(lines(rig)[-1])
    if resets and "reset" in lines(rig):
        known = known[4:]
    answer(rig, f"I know {', '.join(known)}.", seconds=seconds)


def examine(rig: Rig, **model: Any) -> None:
    """Run a whole examination."""
    assert rig.state() is State.CHECKING
    console = rig.console
    while rig.state() is State.CHECKING and rig.console is console:
        go_on(rig, **model)


def reload(rig: Rig, banner: str = "") -> None:
    rig.gone()
    assert rig.state() is State.STARTING
    rig.console.say(banner.encode() + PROMPT) if banner else rig.banner()


# At the load


def test_an_unknown_console_is_examined_before_it_is_ready(tmp_path: Path) -> None:
    rig = loaded(tmp_path)
    examine(rig, resets=True)
    assert rig.state() is State.READY
    assert rig.moves == [Transition.LOAD, Transition.EXAMINE, Transition.GIVE_BACK]
    assert rig.scheduler.examiner.capabilities == Capabilities(retains_history=True, reset_works=True)
    assert rig.scheduler.examiner.source == "examination"
    assert lines(rig)[-1] == "reset", "the examination's words are gone before the first job"
    assert rig.supervisor.loads == 1


def test_it_is_examined_once_in_its_life(tmp_path: Path) -> None:
    first = unknown(tmp_path)
    first.banner()
    examine(first)
    again = unknown(tmp_path)
    again.banner()
    assert again.state() is State.READY
    again.after(10 * LONG_IDLE_S)
    assert again.console.written == []
    assert again.scheduler.examiner.capabilities.reset_works


def test_forty_questions_after_it_cost_no_load(tmp_path: Path) -> None:
    rig = loaded(tmp_path)
    examine(rig)
    for _ in range(40):
        rig.finish(rig.join())
        rig.console.say(PROMPT)  # of the reset
    assert rig.supervisor.loads == 1


def test_a_reset_that_forgets_nothing_is_never_trusted_again(tmp_path: Path) -> None:
    rig = loaded(tmp_path)
    examine(rig, resets=False)
    assert rig.state() is State.STOPPING
    assert rig.supervisor.restarts == {"examined": 1}
    reload(rig)
    assert rig.state() is State.READY
    assert rig.scheduler.examiner.capabilities == Capabilities(retains_history=True, reset_works=False)
    rig.scheduler.examine()
    rig.settle()
    reload(rig)
    examine(rig, resets=True)
    assert rig.scheduler.examiner.capabilities.reset_works is False, "a recall beats every later pass"


def test_what_proves_nothing_is_tried_again_at_the_next_load_and_then_only_after_a_long_idle_time(
    tmp_path: Path,
) -> None:
    rig = loaded(tmp_path)
    for _ in range(MAX_ATTEMPTS):
        examine(rig, keeps=False)
        reload(rig)
    assert rig.state() is State.READY
    assert rig.scheduler.examiner.capabilities == Capabilities()
    assert rig.scheduler.examiner.source == "unknown"
    idle = LONG_IDLE_S
    for _ in range(3):
        rig.after(idle - 1)
        assert rig.state() is State.READY
        rig.after(1)
        assert rig.state() is State.STOPPING, "every try begins on a fresh process"
        reload(rig)
        examine(rig, keeps=False)
        reload(rig)
        idle *= 2
    assert unknown(tmp_path).record.tries == MAX_ATTEMPTS + 3


@pytest.mark.parametrize(
    "changes",
    [
        {"per_job": True},
        {"reset": "command", "continues": "never"},
        {"reset": "restart", "continues": "always"},
    ],
)
def test_nothing_is_examined_where_nothing_would_be_learnt(tmp_path: Path, changes: dict[str, Any]) -> None:
    rig = unknown(tmp_path, preload=True, **changes)
    rig.join()
    rig.banner()
    assert rig.console.written == []
    assert rig.state() is State.BUSY


# What ends a try


def test_a_try_that_is_lost_with_its_process_is_counted(tmp_path: Path) -> None:
    """A service that is restarted every few seconds, or a board that loses its power, gets ready in the end."""
    for _ in range(MAX_ATTEMPTS):
        lost = unknown(tmp_path)
        lost.banner()
        assert lost.state() is State.CHECKING
    rig = loaded(tmp_path)
    assert rig.state() is State.READY
    assert rig.console.written == []


@pytest.mark.parametrize("answers", range(7))
@pytest.mark.parametrize("order", ["unload", "stop", "crash", "run error", "silence", "out of step"])
def test_whatever_comes_between_its_questions_the_console_is_given_up_and_the_next_load_is_healthy(
    tmp_path: Path, answers: int, order: str
) -> None:
    rig = loaded(tmp_path)
    for _ in range(answers):
        go_on(rig)
    done = rig.state() is State.READY or lines(rig)[-1:] == ["reset"]
    if order == "crash":
        rig.console.die(Exit(None, 11))
    elif order == "run error":
        rig.console.say(b"run error\n" + (b"" if done else PROMPT))
        rig.after(5.0)
    elif order == "silence":
        rig.after(ANSWER_LIMIT_S)
    elif order == "out of step":
        rig.console.say(b"one word too many\n\n" + PROMPT + b"and more")
        rig.after(5.0)
    else:
        getattr(rig.scheduler, order)()
        rig.settle()
    assert not rig.scheduler.examiner.running or rig.state() is State.CHECKING
    if rig.state() is State.STOPPING:
        rig.gone()
    rig.after(1.0)
    if order in ("unload", "stop"):
        assert rig.state() is State.STOPPED
        return
    job = rig.join()
    for _ in range(20):
        if job.peer.going:
            break
        if rig.state() is State.STARTING:
            rig.banner()
        elif rig.state() is State.STOPPING:
            rig.gone()
        elif rig.state() is State.CHECKING or lines(rig)[-1:] == ["reset"]:
            go_on(rig)
        rig.after(0.1)
    assert job.peer.going


def test_a_console_that_crashes_at_every_try_is_served_in_the_end(tmp_path: Path) -> None:
    rig = unknown(tmp_path)
    for _ in range(MAX_ATTEMPTS):
        rig.banner()
        assert rig.state() is State.CHECKING
        rig.console.die(Exit(None, 11))
    job = rig.join()
    rig.after(5.0)
    rig.banner()
    assert job.peer.going


# Jobs that wait for it


def test_a_job_waits_for_an_examination_that_ends_in_time(tmp_path: Path) -> None:
    rig = loaded(tmp_path)
    job = rig.join()
    while rig.state() is State.CHECKING:
        go_on(rig, seconds=8.0)
    assert job.peer.going
    assert rig.supervisor.loads == 1
    assert rig.supervisor.restarts == {}


def test_it_gives_way_at_the_next_answer_if_the_job_would_wait_too_long(tmp_path: Path) -> None:
    rig = loaded(tmp_path)
    job = rig.join()
    go_on(rig, seconds=12.0)
    assert rig.state() is State.STOPPING, "four more answers take 48 seconds"
    assert rig.supervisor.restarts == {"examination_cut": 1}
    reload(rig)
    assert job.peer.going, "no try begins while a job waits that would have to wait too long"
    assert rig.console.written == [], "and nothing of the examination is left in the process"


def test_the_whole_wait_of_the_first_job_counts(tmp_path: Path) -> None:
    rig = unknown(tmp_path)
    job = rig.join(arrived=rig.now - 30.0)
    rig.banner()
    go_on(rig, seconds=4.0)
    assert rig.state() is State.STOPPING, "34 seconds, and four more answers of four seconds"
    reload(rig)
    assert job.peer.going


def test_an_answer_that_does_not_come_is_not_waited_for_beyond_the_limit(tmp_path: Path) -> None:
    rig = loaded(tmp_path)
    job = rig.join()
    rig.after(44.0)
    assert rig.state() is State.CHECKING
    rig.after(1.0)
    assert rig.state() is State.STOPPING
    reload(rig)
    assert job.peer.going


def test_the_limit_0_never_waits(tmp_path: Path) -> None:
    rig = loaded(tmp_path, exam_limit_s=0.0)
    assert rig.state() is State.CHECKING
    job = rig.join()
    assert rig.state() is State.STOPPING
    reload(rig)
    assert job.peer.going


def test_the_next_try_comes_with_a_reload_that_nobody_waits_for(tmp_path: Path) -> None:
    rig = loaded(tmp_path)
    job = rig.join()
    go_on(rig, seconds=12.0)
    reload(rig)
    rig.finish(job)
    assert rig.state() is State.STOPPING, "an untrusted console is loaded anew at once after the answer"
    waiting = rig.join()
    reload(rig)
    assert waiting.peer.going, "a job that waits already keeps a slow model from being examined"
    rig.finish(waiting)
    reload(rig)
    examine(rig, resets=True)
    assert rig.scheduler.examiner.capabilities.reset_works
    assert rig.supervisor.loads == 4


def test_a_job_that_leaves_lets_the_examination_go_on(tmp_path: Path) -> None:
    rig = loaded(tmp_path)
    job = rig.join()
    rig.remove(job)
    go_on(rig, seconds=12.0)
    rig.after(50.0)
    assert rig.state() is State.CHECKING


def test_jobs_are_told_what_they_wait_for(tmp_path: Path) -> None:
    rig = loaded(tmp_path)
    go_on(rig, seconds=2.0)
    status = status_of(rig.scheduler, rig.now).to_json(rig.now)
    assert status["state"] == "checking"
    assert status["examination"] == {"answers": 1, "of": 4, "rest_s": pytest.approx(6.0, rel=0.2)}
    examine(rig)
    assert status_of(rig.scheduler, rig.now).to_json(rig.now)["examination"] is None


# Known consoles


@pytest.mark.parametrize(
    ("profile", "banner", "capabilities"),
    [
        ("oellm_run", SINGLE, Capabilities(stateless=True)),
        ("oellm_multichat", "", Capabilities(retains_history=True, reset_works=True)),
        ("vlm", "", Capabilities(retains_history=True, reset_works=True)),
        ("hobot_xlm", "", Capabilities(retains_history=True)),
    ],
)
def test_a_known_console_is_trusted_from_the_first_question_on(
    tmp_path: Path, profile: str, banner: str, capabilities: Capabilities
) -> None:
    rig = unknown(tmp_path, profile=profile)
    rig.console.say(banner.encode() + PROMPT) if banner else rig.banner()
    assert rig.state() is State.READY
    assert rig.scheduler.examiner.capabilities == capabilities
    assert rig.scheduler.examiner.source == "public"
    rig.after(100 * LONG_IDLE_S)
    assert rig.console.written == []


@pytest.mark.parametrize(
    ("profile", "banner"),
    [("oellm_run", ""), ("oellm_multichat", SINGLE), ("vlm", SINGLE), ("hobot_xlm", SINGLE), ("vlm", "Welcome\n")],
)
def test_a_known_name_under_another_banner_is_an_unknown_console(tmp_path: Path, profile: str, banner: str) -> None:
    rig = unknown(tmp_path, profile=profile)
    rig.console.say(banner.encode() + PROMPT) if banner else rig.banner()
    assert rig.scheduler.examiner.capabilities == Capabilities()
    assert (rig.state() is State.CHECKING) is rig.scheduler.examiner.is_useful


def test_a_run_name_under_a_multi_turn_banner_that_recalls_is_not_stateless(tmp_path: Path) -> None:
    rig = loaded(tmp_path, profile="oellm_run")
    examine(rig, resets=False)
    assert rig.scheduler.examiner.capabilities == Capabilities(retains_history=True)


@pytest.mark.parametrize("reset", ["auto", "command"])
def test_the_reset_of_a_console_that_is_known_to_forget_nothing_is_never_trusted(tmp_path: Path, reset: str) -> None:
    rig = loaded(tmp_path, profile="hobot_xlm", reset=reset, findings=Findings(True, True))
    assert rig.scheduler.examiner.capabilities.reset_works is False


def test_a_recall_revokes_what_is_publicly_known(tmp_path: Path) -> None:
    for profile in ("oellm_multichat", "vlm"):
        rig = unknown(tmp_path / profile, profile=profile, findings=Findings(True, False))
        rig.banner()
        assert rig.scheduler.examiner.capabilities == Capabilities(retains_history=True)


class Llm:
    """A rig of the console `llm`, whose configuration file says whether a conversation is kept."""

    def __init__(self, folder: Path, text: str = '{"enable_multi_turn": false}') -> None:
        self.path = folder / "llm.json"
        self.path.write_text(text)
        self.rig = unknown(folder, profile="llm", argv=("llm", "-c", str(self.path)))


def test_llm_is_stateless_where_its_configuration_says_so_and_is_examined_in_the_first_idle_time(
    tmp_path: Path,
) -> None:
    rig = Llm(tmp_path).rig
    rig.banner()
    assert rig.state() is State.READY
    assert rig.scheduler.examiner.capabilities == Capabilities(stateless=True)
    assert rig.scheduler.examiner.source == "measured by others"
    rig.finish(rig.join())
    assert rig.state() is State.READY
    rig.after(FIRST_IDLE_S)
    reload(rig)
    examine(rig, keeps=False)
    assert rig.state() is State.READY
    assert rig.scheduler.examiner.capabilities == Capabilities(stateless=True)


def test_llm_is_examined_once_in_its_life_though_a_missing_word_proves_nothing(tmp_path: Path) -> None:
    llm = Llm(tmp_path)
    llm.rig.banner()
    llm.rig.after(FIRST_IDLE_S)
    reload(llm.rig)
    examine(llm.rig, keeps=False)
    assert llm.rig.scheduler.examiner.finished == 1
    loads = llm.rig.supervisor.loads
    llm.rig.finish(llm.rig.join())
    llm.rig.after(100 * LONG_IDLE_S)
    assert (llm.rig.state(), llm.rig.supervisor.loads) == (State.READY, loads)
    later = Llm(tmp_path).rig  # after a restart with the same data folder
    later.banner()
    later.after(100 * LONG_IDLE_S)
    assert (later.state(), later.supervisor.loads) == (State.READY, 1)


def test_llm_that_recalls_is_not_stateless_whatever_its_configuration_says(tmp_path: Path) -> None:
    rig = Llm(tmp_path).rig
    rig.banner()
    rig.after(FIRST_IDLE_S)
    reload(rig)
    examine(rig, resets=True)
    assert rig.scheduler.examiner.capabilities == Capabilities(retains_history=True, reset_works=True)


@pytest.mark.parametrize("text", ['{"enable_multi_turn": true}', '{"enable_multi_turn": 0}', "{}", "broken", "[]"])
def test_llm_with_any_other_configuration_is_an_unknown_console(tmp_path: Path, text: str) -> None:
    rig = Llm(tmp_path, text).rig
    rig.banner()
    assert rig.state() is State.CHECKING
    assert rig.scheduler.examiner.capabilities == Capabilities()


def test_a_configuration_that_changes_during_the_load_is_not_believed(tmp_path: Path) -> None:
    llm = Llm(tmp_path)
    llm.path.write_text('{"enable_multi_turn": false, "use_sequence": true}')
    llm.rig.banner()
    assert llm.rig.scheduler.examiner.capabilities == Capabilities()


def test_of_two_configurations_neither_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "llm.json"
    path.write_text('{"enable_multi_turn": false}')
    rig = loaded(tmp_path, profile="llm", argv=("llm", "-c", str(path), "--config", str(path)))
    assert rig.scheduler.examiner.capabilities == Capabilities()


def test_a_console_without_reset_is_asked_for_its_memory_alone(tmp_path: Path) -> None:
    rig = unknown(tmp_path)
    rig.console.say("板端大模型多轮对话交互demo，请输入你的问题并按下回车 \n- 退出请输入exit\n".encode() + PROMPT)
    examine(rig)
    assert "reset" not in lines(rig)
    assert rig.scheduler.examiner.capabilities == Capabilities(retains_history=True)
    assert rig.supervisor.restarts == {"examined": 1}


# By hand, and without text in the log


def test_by_hand_it_is_examined_again_as_soon_as_no_job_is_left(tmp_path: Path) -> None:
    rig = loaded(tmp_path, findings=Findings(True, True))
    job = rig.join()
    rig.scheduler.examine()
    rig.settle()
    assert rig.state() is State.BUSY
    rig.finish(job)
    rig.console.say(PROMPT)
    assert rig.state() is State.STOPPING
    reload(rig)
    examine(rig, resets=True)
    assert rig.state() is State.READY
    assert rig.supervisor.restarts == {"examination": 1}


def test_no_word_of_it_is_shown(tmp_path: Path) -> None:
    rig = loaded(tmp_path)
    shown: list[str] = []
    log = "[E][29163][02-26][22:02:19:008][configuration.cpp:188][xlm_demo][DNN] PEACOCK"
    words: set[str] = set()
    while rig.state() is State.CHECKING and rig.supervisor.loads == 1:
        words |= set(told(rig))
        if lines(rig)[-1] == "reset":
            go_on(rig)
            rig.after(1.0)
            continue
        known = told(rig)[4:] if "reset" in lines(rig) else told(rig)
        answer(rig, f"PEACOCK {' '.join(known)}\n{log}\nPEACOCK")
        rig.after(1.0)  # a line like a log's in it makes the end doubtful
        shown.append(json.dumps(status_of(rig.scheduler, rig.now).to_json(rig.now)))
    rig.console.die(Exit(None, 11))
    shown += [json.dumps(status_of(rig.scheduler, rig.now).to_json(rig.now)), *rig.logged]
    shown += [str(rig.supervisor.log.relevant_lines())]
    shown += [path.read_text() for path in (tmp_path / "data").iterdir()]
    assert len(words) == 5
    assert [word for word in ("PEACOCK", *words) if word in "".join(shown)] == []


def test_the_log_says_how_far_it_is_and_what_was_found(tmp_path: Path) -> None:
    rig = loaded(tmp_path)
    assert rig.logged == ["examining the console, only once: 0 of 4 answers"]
    go_on(rig, seconds=2.0)
    assert rig.logged[1:] == ["examining the console: 1 of 4 answers, about 6 s left"]
    examine(rig, resets=True)
    assert rig.logged[-1] == "console examined: history kept, reset works"


# Another console


def test_other_code_is_another_console(tmp_path: Path) -> None:
    rig = unknown(tmp_path)
    library = CodeFile("/sdk/lib/libxlm.so", "libxlm.so", 1000, 5, 77)
    rig.code = (library,)
    rig.banner()
    examine(rig)
    for change in ({}, {"path": "/elsewhere/libxlm.so"}, {"size": 1001}, {"mtime_ns": 6}, {"checksum": 78}):
        again = unknown(tmp_path)
        again.code = (dataclasses.replace(library, **change),)
        again.banner()
        assert (again.state() is State.READY) is (set(change) <= {"path"}), change
        again.record.save(Findings(True, True))


def test_a_library_that_is_replaced_between_two_loads_is_noticed(tmp_path: Path) -> None:
    rig = loaded(tmp_path)
    examine(rig)
    rig.code = (CodeFile("/sdk/lib/libxlm.so", "libxlm.so", 1000, 5, 77),)
    rig.console.die(Exit(None, 11))
    rig.banner()
    assert rig.state() is State.CHECKING
    assert rig.scheduler.examiner.capabilities == Capabilities()


def test_a_folder_that_cannot_be_written_costs_only_the_memory_and_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, no folder")
    rig = loaded(tmp_path)
    examine(rig)
    assert rig.state() is State.READY
    rig.console.die(Exit(None, 11))
    rig.banner()
    assert rig.state() is State.READY, "this keeper remembers"
    assert rig.scheduler.examiner.capabilities.reset_works
    assert len(rig.warnings) == 1
    assert str(tmp_path / "data") in rig.warnings[0]
