"""Tests of the locks of several console programs, which one keeper holds together."""

from __future__ import annotations

from pathlib import Path

from bpu.engine.file_locks import try_lock
from bpu.engine.keeper.console_locks import ConsoleLocks
from tests.unit.engine.rig import launch


def test_every_program_is_locked_once_and_all_are_free_after_the_end(tmp_path: Path) -> None:
    paths = [tmp_path / "xlm_demo", tmp_path / "oellm_multichat"]
    for path in paths:
        path.touch()
    locks = ConsoleLocks()
    for path in (*paths, paths[0]):
        assert locks.take(launch(tmp_path, lock_path=str(path), simulated=False))
    assert len(locks.fds) == 2
    assert [try_lock(path) for path in paths] == [None, None]
    assert locks.still_held()
    locks.close()
    for path in paths:
        lock = try_lock(path)
        assert lock is not None
        lock.close()


def test_a_program_that_another_process_holds_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "xlm_demo").touch()
    other = try_lock(tmp_path / "xlm_demo")
    assert other is not None
    locks = ConsoleLocks()
    assert not locks.take(launch(tmp_path, lock_path=str(tmp_path / "xlm_demo"), simulated=False))
    assert locks.fds == []
    other.close()


def test_a_program_that_was_replaced_is_locked_anew_unless_another_was_faster(tmp_path: Path) -> None:
    path = tmp_path / "xlm_demo"
    path.touch()
    locks = ConsoleLocks()
    locks.take(launch(tmp_path, lock_path=str(path), simulated=False))
    path.unlink()
    path.write_text("a newer one")
    assert locks.still_held()
    assert try_lock(path) is None
    path.unlink()
    path.write_text("the newest one")
    other = try_lock(path)
    assert other is not None
    assert not locks.still_held()
    other.close()
