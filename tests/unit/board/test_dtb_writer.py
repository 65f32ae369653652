"""Writing a device tree: the real dtc and fdtput, every file operation that fails, and a SIGKILL at any moment."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpu.board import tools
from bpu.board.dtb_writer import DtbWriter, changed_properties, differences
from bpu.board.errors import BoardError
from bpu.board.fdt import parse
from bpu.board.files import Files, checksum
from bpu.board.layout import next_layout
from bpu.board.modes import S100
from bpu.board.pools import ALIGNMENT, Plan, faults, plan
from bpu.board.regions import read_map
from bpu.board.sizes import MIB
from tests.support.waits import let_pass, until
from tests.unit.board.device import Board, compile_tree

PROJECT = Path(__file__).parents[3]


def plan_of(board: Board, mode: str = "bpu_first") -> Plan:
    return plan(next_layout(board.tree, board.root).memory, S100[mode].sizes)


def beside(board: Board) -> set[str]:
    return {path.name for path in board.tree.parent.iterdir()}


def test_apply_changes_the_planned_words_and_restore_gives_the_same_bytes(tmp_path: Path) -> None:
    board = Board(tmp_path)
    before = board.tree.read_bytes()
    made = plan_of(board)
    written = DtbWriter(board.tree).apply(made)
    after = board.tree.read_bytes()
    assert (written.copy_is_new, written.sha256) == (True, checksum(after))
    assert written.copy.read_bytes() == before
    assert differences(parse(before), parse(after)) == changed_properties(made)
    assert {node for node, _ in changed_properties(made)} == {
        "/reserved-memory/ion_carveout@3BE00000",
        "/reserved-memory/ion_cma@1BE00000",
    }
    assert read_map(parse(after)).pools == made.after.pools
    # dtc reads it back without an error, and fdtget tells the same figures as we do.
    result = tools.run(["fdtget", "-t", "x", board.tree, "/reserved-memory/ion_carveout@3BE00000", "reg"], timeout=30)
    assert result.out.split() == ["4", "40000000", "0", "90000000"]
    DtbWriter(board.tree).restore()
    assert board.tree.read_bytes() == before
    assert beside(board) == {board.tree.name, f"{board.tree.name}.SUPER_SAFE", f"{board.tree.name}.SUPER_SAFE.sha256"}


def test_the_safe_copy_is_the_first_tree_for_ever(tmp_path: Path) -> None:
    board = Board(tmp_path)
    before = board.tree.read_bytes()
    for mode in ("bpu_first", "balanced", "cpu_first"):
        written = DtbWriter(board.tree).apply(plan_of(board, mode))
        assert written.copy.read_bytes() == before
    assert not written.copy_is_new
    note = board.tree.with_name(f"{board.tree.name}.SUPER_SAFE.sha256")
    result = subprocess.run(["sha256sum", "-c", note.name], cwd=note.parent, capture_output=True, check=False)
    assert result.returncode == 0


def test_a_damaged_copy_stops_everything(tmp_path: Path) -> None:
    board = Board(tmp_path)
    DtbWriter(board.tree).apply(plan_of(board))
    now = board.tree.read_bytes()
    copy = board.tree.with_name(f"{board.tree.name}.SUPER_SAFE")
    copy.write_bytes(copy.read_bytes()[:-1] + b"x")
    for act in (DtbWriter(board.tree).restore, lambda: DtbWriter(board.tree).apply(plan_of(board, "balanced"))):
        with pytest.raises(BoardError, match="does not have the checksum"):
            act()
    assert board.tree.read_bytes() == now


def test_a_copy_by_another_hand_is_respected_but_must_be_a_tree(tmp_path: Path) -> None:
    board = Board(tmp_path)
    copy = board.tree.with_name(f"{board.tree.name}.SUPER_SAFE")
    copy.write_bytes(b"the article's script made this, and broke it")
    with pytest.raises(BoardError, match="not a device tree"):
        DtbWriter(board.tree).restore()
    copy.unlink()
    with pytest.raises(BoardError, match="no safe copy"):
        DtbWriter(board.tree).restore()


def test_more_than_the_plan_is_never_put_in_place(tmp_path: Path) -> None:
    """A tool that changes a word too many is caught by the comparison."""
    board = Board(tmp_path)
    before = board.tree.read_bytes()

    def meddling(words: list[Any], **options: Any) -> tools.Result:
        if words[0] == "dtc":
            tools.run(["fdtput", "-t", "s", words[-1], "/chosen", "bootargs", "quiet"], timeout=30)
        return tools.run(words, **options)

    with pytest.raises(BoardError, match="/chosen:bootargs"):
        DtbWriter(board.tree, run=meddling).apply(plan_of(board))
    assert board.tree.read_bytes() == before


def test_a_tool_that_fails_leaves_the_old_tree(tmp_path: Path) -> None:
    board = Board(tmp_path)
    before = board.tree.read_bytes()

    def failing(words: list[Any], **options: Any) -> tools.Result:
        return tools.Result(1, "", "no space") if words[0] == "fdtput" else tools.run(words, **options)

    with pytest.raises(BoardError, match="fdtput failed: no space"):
        DtbWriter(board.tree, run=failing).apply(plan_of(board))
    assert board.tree.read_bytes() == before
    assert not [name for name in beside(board) if name.startswith(".")]


class Failing(Files):
    """Real file operations, the one with this number fails, halfway where a file is written."""

    def __init__(self, number: int) -> None:
        self.left = number

    def _step(self) -> bool:
        self.left -= 1
        return self.left == 0

    def _fail(self) -> None:
        if self._step():
            raise OSError("no space left on device")

    def read(self, path: Path) -> bytes:
        self._fail()
        return super().read(path)

    def write(self, path: Path, data: bytes, mode: int) -> None:
        if self._step():
            path.write_bytes(data[: len(data) // 2])
            raise OSError("no space left on device")
        super().write(path, data, mode)

    def sync(self, path: Path) -> None:
        self._fail()
        super().sync(path)

    def replace(self, old: Path, new: Path) -> None:
        self._fail()
        super().replace(old, new)


def each_failure(folder: Path, act: Callable[[Board, Files], object], ready: Callable[[Board], None]) -> int:
    """Let every operation of `act` fail once; after each the tree must be the old or the new one. Returns how many."""
    for number in range(1, 100):
        board = Board(folder / str(number))
        ready(board)
        old = board.tree.read_bytes()
        other = Board(folder / f"{number}-whole")
        ready(other)
        act(other, Files())
        files = Failing(number)
        try:
            act(board, files)
        except OSError:
            left = board.tree.read_bytes()
            assert left in (old, other.tree.read_bytes()), f"operation {number}"
            assert faults(read_map(parse(left))) == []
            assert not [name for name in beside(board) if name.startswith(".")], f"operation {number}"
            # And the way on is open.
            act(board, Files())
            assert board.tree.read_bytes() == other.tree.read_bytes()
        else:
            assert files.left > 0
            return number - 1
    raise AssertionError("it never ended")


def test_a_failure_at_each_file_operation_leaves_an_old_or_a_new_tree(tmp_path: Path) -> None:
    def apply(board: Board, files: Files) -> None:
        made = plan(next_layout(board.tree, board.root).memory, S100["bpu_first"].sizes)
        DtbWriter(board.tree, files=files).apply(made)

    assert each_failure(tmp_path, apply, lambda board: None) > 10


def test_a_failure_at_each_operation_of_restore_does_so_too(tmp_path: Path) -> None:
    def ready(board: Board) -> None:
        DtbWriter(board.tree).apply(plan_of(board))

    assert each_failure(tmp_path, lambda board, files: DtbWriter(board.tree, files=files).restore(), ready) > 3


LOOP = """
import sys
from pathlib import Path
from bpu.board.layout import next_layout
from bpu.board.modes import S100
from bpu.board.pools import plan
from bpu.board.dtb_writer import DtbWriter
tree = Path(sys.argv[1])
print("ready", flush=True)
while True:
    for mode in ("bpu_first", "default"):
        DtbWriter(tree).apply(plan(next_layout(tree, Path("/nowhere")).memory, S100[mode].sizes))
    DtbWriter(tree).restore()
"""


def test_a_kill_at_any_moment_leaves_an_old_or_a_new_tree(tmp_path: Path) -> None:
    board = Board(tmp_path)
    old = board.tree.read_bytes()
    DtbWriter(board.tree).apply(plan_of(board))
    new = board.tree.read_bytes()
    moments = random.Random(7)
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", LOOP, str(board.tree)], cwd=PROJECT, stdout=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            let_pass(moments.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
        assert board.tree.read_bytes() in (old, new)
        assert board.tree.with_name(f"{board.tree.name}.SUPER_SAFE").read_bytes() == old
    # What the killed ones left beside it is no obstacle.
    DtbWriter(board.tree).restore()
    assert board.tree.read_bytes() == old


def test_a_folder_that_cannot_be_listed_spoils_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(tmp_path)
    wanted = plan_of(board)

    def refuse(path: Path) -> None:
        raise PermissionError(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", refuse)
        written = DtbWriter(board.tree).apply(wanted)
    assert written.sha256 == checksum(board.tree.read_bytes())


def test_a_program_of_a_killed_run_that_still_writes_spoils_no_later_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board(tmp_path)
    old = board.tree.read_bytes()
    programs, begun, over = tmp_path / "programs", tmp_path / "begun", tmp_path / "over"
    programs.mkdir()
    slow = programs / "fdtput"
    slow.write_text(f'#!/bin/sh\n: >{begun}\nsleep 0.5\n{shutil.which("fdtput")} "$@"\n: >{over}\n')
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    with subprocess.Popen(
        [sys.executable, "-c", LOOP, str(board.tree)], cwd=PROJECT, stdout=subprocess.PIPE
    ) as process:
        until(begun.exists, what="the tree is being changed")
        process.kill()
    DtbWriter(board.tree).restore()
    until(over.exists, what="the program has written")
    assert board.tree.read_bytes() == old
    DtbWriter(board.tree).restore()
    assert not list(board.tree.parent.glob(".*")), "what the killed run left is gone"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["s100", "s600"]), st.lists(st.integers(64, 600), min_size=3, max_size=3))
def test_any_sizes_that_can_be_planned_come_back_byte_by_byte(tmp_path: Path, name: str, units: list[int]) -> None:
    board = tmp_path / f"{name}.dtb"
    compile_tree((PROJECT / f"tests/unit/board/trees/{name}.dts"), board)
    before = board.read_bytes()
    pools = {pool.name: pool.span.size for pool in read_map(parse(before)).pools}
    sizes = dict(zip(("ion_reserved", "ion_carveout", "ion_cma"), (unit * ALIGNMENT for unit in units), strict=True))
    try:
        made = plan(next_layout(board, Path("/nowhere")).memory, sizes)
    except BoardError:
        return
    DtbWriter(board).apply(made)
    assert {pool.name: pool.span.size for pool in read_map(parse(board.read_bytes())).pools} == {**pools, **sizes}
    DtbWriter(board).restore()
    assert board.read_bytes() == before
    board.with_name(f"{board.name}.SUPER_SAFE").unlink()


def test_a_tree_of_one_cell_addresses_is_written_as_it_is(tmp_path: Path) -> None:
    text = """/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; model = "x";
    memory@80000000 { device_type = "memory"; reg = <0x80000000 0x7fc00000>; };
    reserved-memory { #address-cells = <1>; #size-cells = <1>; ranges;
    ion_cma@a0000000 { compatible = "ion-cma"; reg = <0xa0000000 0x4000000>; }; }; };"""
    tree = compile_tree(text, tmp_path / "one.dtb")
    DtbWriter(tree).apply(plan(next_layout(tree, tmp_path).memory, {"ion_cma": 256 * MIB}, linux_room=0))
    result = tools.run(["fdtget", "-t", "x", tree, "/reserved-memory/ion_cma@a0000000", "reg"], timeout=30)
    assert result.out.split() == ["a0000000", "10000000"]
