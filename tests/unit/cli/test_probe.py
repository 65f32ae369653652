"""What a probe finds is what the engine then goes by, and its bar says how far it is."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bpu.board.checks.finding import Finding, Level
from bpu.chat.requests import parse_chat
from bpu.cli._probe import ProbeRun, Progress
from bpu.cli._terminal import Notice
from bpu.console.profiles import PROFILES
from bpu.engine.client.launch_config import build_launch_spec, line_limit
from bpu.engine.client.probe import OutOfTurn, Silent, Turn
from bpu.engine.console_examination import Findings
from bpu.engine.console_record import ConsoleRecord
from bpu.errors import ContextLengthExceeded
from bpu.settings import Settings
from bpu.web.factory import assemble


class Console:
    """A console that remembers, forgets on `reset`, and takes lines over `buffer` bytes for two."""

    def __init__(self, buffer: int, *, silent_over: int = 1 << 30) -> None:
        self.profile, self.load_s, self.pid = PROFILES["xlm_demo"], 2.0, os.getpid()
        self.buffer, self.silent_over = buffer, silent_over
        self.said: list[str] = []

    def ask(self, line: bytes, **options: Any) -> Turn:
        if len(line) > self.silent_over:
            raise Silent("Nothing came.")
        if len(line) > self.buffer:
            raise OutOfTurn("words came")
        self.said.append(line.decode())
        return Turn(text=" ".join(self.said), first_s=0.1, total_s=0.2, pieces=3)

    def has_unsolicited_output(self, seconds: float) -> bool:
        return False

    def reset(self) -> None:
        self.said.clear()

    restart = reset


def settings_of(tmp_path: Path, **values: Any) -> Settings:
    return Settings(engine="simulator", state_dir=tmp_path, data_dir=tmp_path / "data", **values)


def examine(
    settings: Settings, console: Console, announce: Callable[[str], None] = lambda words: None
) -> list[Finding]:
    return list(ProbeRun(build_launch_spec(settings), console, settings, announce=announce).findings())  # type: ignore[arg-type]


def test_the_longest_line_that_was_taken_whole_is_the_engine_s_limit(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    launch = build_launch_spec(settings)
    assert line_limit(settings, launch) == 10238
    found = examine(settings, Console(5000))[-1]
    assert "8000 bytes is taken for two questions; 4000 are safe" in found.said
    assert found.level is Level.FINE
    assert line_limit(settings, launch) == 4000
    assert ConsoleRecord(launch).findings == Findings(retains_history=True, reset_works=True)


def test_the_gateway_refuses_what_the_probe_saw_split(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    examine(settings, Console(5000))
    prompter = assemble(settings).prompter

    def turn(size: int) -> object:
        body = {"model": "m", "messages": [{"role": "user", "content": ("word " * 1000)[:size]}]}
        return prompter.turn(parse_chat(body, models=["m"]))

    assert turn(3900)
    with pytest.raises(ContextLengthExceeded, match="4000"):
        turn(4500)


def test_a_model_that_remembers_nothing_leaves_the_settings_to_decide(tmp_path: Path) -> None:
    class Forgetful(Console):
        def ask(self, line: bytes, **options: Any) -> Turn:
            return Turn(text="OK.", first_s=0.1, total_s=0.2, pieces=3)

    def words(**values: Any) -> str:
        return "\n".join(one.said for one in examine(settings_of(tmp_path, **values), Forgetful(5000)))

    assert "restarts the console between conversations" in words()
    assert "goes by BPU_RESET=command" in words(reset="command")


def test_a_longer_line_than_supposed_that_was_taken_whole_is_allowed_from_then_on(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert "12000 bytes is taken whole" in examine(settings, Console(1 << 20))[-1].said
    assert line_limit(settings, build_launch_spec(settings)) == 12000


def test_a_line_limit_beyond_the_console_s_is_warned_of_and_kept(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, line_limit=9000)
    found = examine(settings, Console(5000))[-1]
    assert (found.level, found.remedy) == (Level.WARNING, "BPU_LINE_LIMIT=4000")
    assert line_limit(settings, build_launch_spec(settings)) == 9000


def test_silence_proves_nothing_about_lines(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert "4000 bytes is taken whole" in examine(settings, Console(1 << 20, silent_over=5000))[-1].said
    assert line_limit(settings, build_launch_spec(settings)) == 10238


@pytest.mark.parametrize(("value", "limit"), [(0, 0), (500, 500), (None, 10238)])
def test_the_limit_of_the_settings(value: int | None, limit: int) -> None:
    assert line_limit(Settings(line_limit=value)) == limit


def test_the_bar_of_a_probe_grows_with_each_step_and_counts_the_time(tmp_path: Path) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen, now = Screen(), [0.0]
    progress = Progress(Notice(screen), steps=4, clock=lambda: now[0])
    for number in range(1, 5):
        progress.begin(f"step {number}")
        now[0] += 1.5
        progress.show()
    shown = screen.getvalue()
    assert f"[{'-' * 24}]  0.0 s  step 1" in shown
    assert f"[{'#' * 18}{'-' * 6}]  6.0 s  step 4" in shown
    # And the steps are those of an examination: the load comes before it.
    begun: list[str] = []
    examine(settings_of(tmp_path, context_size=1400), Console(1 << 20), begun.append)
    assert len(begun) == 1 + 1 + 2
