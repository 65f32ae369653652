"""Performance mode: what is set, what is remembered, what is put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bpu.board import performance as module
from bpu.board import tools
from bpu.board.errors import BoardError
from bpu.board.performance import Performance, clocks, enable, script
from bpu.messages import sudo_program
from bpu.settings import Settings
from tests.unit.board.device import Board

POLICY = "sys/devices/system/cpu/cpufreq/policy0"
BPU = "sys/class/devfreq/bpu0"


@pytest.fixture
def board(tmp_path: Path) -> Board:
    made = Board(tmp_path)
    made.boots()
    made.file(f"{POLICY}/scaling_governor", "schedutil\n")
    made.file(f"{POLICY}/scaling_available_governors", "schedutil performance\n")
    made.file(f"{POLICY}/scaling_cur_freq", "1500000\n")
    made.file(f"{POLICY}/scaling_max_freq", "2000000\n")
    made.file(f"{BPU}/governor", "simple_ondemand\n")
    made.file(f"{BPU}/available_governors", "simple_ondemand performance\n")
    made.file("sys/class/devfreq/ddr/governor", "userspace\n")
    made.file("sys/class/devfreq/ddr/available_governors", "userspace\n")
    return made


def governor(board: Board, path: str) -> str:
    return (board.root / path).read_text().strip()


class Programs:
    """Stands for `tools.run`: notes what is run, answers for devmem and the script."""

    def __init__(self, code: int = 0) -> None:
        self.calls: list[list[str]] = []
        self.code = code
        self.memory = {"0x2b047000": "0x44", "0x2b047004": "0x55"}

    def __call__(self, words: list[Any], **options: Any) -> tools.Result:
        self.calls.append([str(word) for word in words])
        if "devmem" not in str(words[0]):
            return tools.Result(self.code, "", "no such clock" if self.code else "")
        if len(words) == 4:
            self.memory[str(words[1])] = str(words[3])
        return tools.Result(0, self.memory[str(words[1])] + "\n", "")


def switch(board: Board, run: Any = None) -> Performance:
    return Performance(board.root / "runtime", board.root / "state" / "performance.json", root=board.root, run=run)


def test_on_and_off_go_there_and_back(board: Board) -> None:
    said = list(switch(board).on())
    assert said == ["policy0: governor performance", "bpu0: governor performance"]
    assert governor(board, f"{POLICY}/scaling_governor") == "performance"
    assert governor(board, f"{BPU}/governor") == "performance"
    # A domain that does not offer it is left alone.
    assert governor(board, "sys/class/devfreq/ddr/governor") == "userspace"
    # Switched on twice, the first state is still the one to come back to.
    assert list(switch(board).on()) == ["policy0: governor performance already", "bpu0: governor performance already"]
    list(switch(board).off())
    assert governor(board, f"{POLICY}/scaling_governor") == "schedutil"
    assert governor(board, f"{BPU}/governor") == "simple_ondemand"
    with pytest.raises(BoardError, match="not known"):
        list(switch(board).off())


@pytest.mark.parametrize("name", ["set_permorfance_mode.sh", "set_performance_mode.sh"])
def test_the_sdks_script_is_run_whichever_its_spelling(board: Board, name: str) -> None:
    path = board.file(f"runtime/{name}", "exit 0\n")
    assert script(board.root / "runtime") == path
    programs = Programs()
    said = list(switch(board, programs).on())
    assert programs.calls[0] == ["sh", str(path)]
    assert said[0] == f"The SDK's script was run: {path}"


def test_a_real_script_is_run_in_its_folder(board: Board) -> None:
    board.file("runtime/set_performance_mode.sh", "pwd > where\n")
    list(switch(board, tools.run).on())
    assert (board.root / "runtime" / "where").read_text().strip() == str(board.root / "runtime")


def test_a_script_that_fails_is_said_and_the_governors_are_set(board: Board) -> None:
    board.file("runtime/set_performance_mode.sh", "")
    said = list(switch(board, Programs(code=1)).on())
    assert "failed (no such clock)" in said[-1]
    assert governor(board, f"{BPU}/governor") == "performance"


def test_the_two_words_are_for_the_s100p_alone(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_has_devmem", lambda: True)
    programs = Programs()
    list(switch(board, programs).on())
    assert programs.calls == []
    list(switch(board, programs).off())
    board.file("proc/device-tree/model", b"D-Robotics RDK S100P V1P0\0")
    said = list(switch(board, programs).on())
    assert programs.memory == {"0x2b047000": "0x99", "0x2b047004": "0x99"}
    assert "Memory word 0x2b047000 = 0x99" in said
    list(switch(board, programs).off())
    assert programs.memory == {"0x2b047000": "0x44", "0x2b047004": "0x55"}


def test_where_there_is_nothing_to_do_it_says_so(tmp_path: Path) -> None:
    one = Performance(tmp_path, tmp_path / "state" / "performance.json", root=tmp_path, run=None)
    with pytest.raises(BoardError, match="nothing to switch on"):
        list(one.on())
    assert one.saved_state() is None
    assert clocks(tmp_path) == []


def test_enable_does_nothing_without_the_setting(board: Board, tmp_path: Path) -> None:
    assert enable(Settings(state_dir=tmp_path / "state"), root=board.root, user=0) is None
    assert governor(board, f"{BPU}/governor") == "simple_ondemand"


def test_enable_sets_it_for_root_and_warns_others(board: Board, tmp_path: Path) -> None:
    settings = Settings(performance_mode=True, state_dir=tmp_path / "state", runtime_dir=tmp_path)
    warning = enable(settings, root=board.root, user=1000)
    assert warning is not None
    assert f"{sudo_program()} perf on" in warning
    assert enable(settings, root=board.root, user=0) is None
    assert governor(board, f"{BPU}/governor") == "performance"


def test_enable_never_raises(tmp_path: Path) -> None:
    settings = Settings(performance_mode=True, state_dir=tmp_path / "state", runtime_dir=tmp_path)

    class Broken(Performance):
        def on(self) -> Any:
            raise RuntimeError("the hardware is odd")

    for broken in (None, Broken(tmp_path, tmp_path / "x")):
        warning = enable(settings, root=tmp_path, switch=broken, user=0)
        assert warning is not None
        assert "starts without it" in warning
