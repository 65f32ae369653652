"""File locks are exclusive, inherited by children, and free when the last holder has ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from bpu.engine.file_locks import SLOT_NAME, abandon_slot, describe, holders, is_lockable, try_lock


def test_one_holder_at_a_time_even_in_one_process(tmp_path: Path) -> None:
    path = tmp_path / "slot.lock"
    lock = try_lock(path, create=True)
    assert lock is not None
    assert try_lock(path) is None
    lock.close()
    lock.close()
    again = try_lock(path)
    assert again is not None
    again.close()


def test_a_program_file_is_locked_without_the_right_to_write(tmp_path: Path) -> None:
    path = tmp_path / "xlm_demo"
    path.write_bytes(b"#!/bin/sh\n")
    path.chmod(0o555)
    lock = try_lock(path)
    assert lock is not None
    lock.close()


def test_a_child_that_inherited_it_keeps_the_lock_when_its_parent_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    lock = try_lock(path, create=True)
    assert lock is not None
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=(lock.fd,)
    )
    try:
        lock.close()
        assert try_lock(path) is None
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.wait()
    free = try_lock(path)
    assert free is not None
    free.close()


def test_the_holder_is_known_by_pid_and_described(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    lock = try_lock(path, create=True)
    assert lock is not None
    try:
        assert holders(path) == [os.getpid()]
        assert f"pid {os.getpid()} of user" in describe(os.getpid())
    finally:
        lock.close()
    assert holders(path) == []


def test_a_waiter_in_the_kernels_table_is_no_holder(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    path.touch()
    status = path.stat()
    name = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    table = tmp_path / "locks"
    table.write_text(
        f"1: FLOCK  ADVISORY  WRITE 41 {name} 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 42 {name} 0 EOF\nnonsense\n"
    )
    assert holders(path, locks=table) == [41]
    assert holders(path, locks=tmp_path / "missing") == []


def test_a_process_that_is_gone_is_still_named() -> None:
    assert describe(2**22 + 1) == f"pid {2**22 + 1}"


def test_5_a_pipe_in_the_place_of_the_file_stops_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "slot.lock")
    assert is_lockable(tmp_path / "slot.lock")
    lock = try_lock(tmp_path / "slot.lock", create=True)
    assert lock is not None
    lock.close()


def test_an_abandoned_slot_is_a_new_file_of_the_keeper_s_user(tmp_path: Path) -> None:
    """A job of root that made it would keep the jobs of another user out."""
    slot, usual = tmp_path / SLOT_NAME, tmp_path / "usual.lock"
    for path in (slot, usual):
        lock = try_lock(path, create=True)
        assert lock is not None
        lock.close()
    slot.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(slot, 1, 1)
    stuck = try_lock(slot)
    (tmp_path / f".{SLOT_NAME}.new").touch()  # a keeper was killed in the midst
    abandon_slot(tmp_path)
    free = try_lock(slot)
    assert stuck is not None
    assert free is not None, "the lock of the old file counts no more"
    for lock in (stuck, free):
        lock.close()
    made, wanted = slot.stat(), usual.stat()
    assert (made.st_mode, made.st_uid, made.st_gid) == (wanted.st_mode, wanted.st_uid, wanted.st_gid)
    assert sorted(path.name for path in tmp_path.iterdir()) == [SLOT_NAME, "usual.lock"]


def test_an_abandoned_slot_is_missing_at_no_moment(tmp_path: Path) -> None:
    """Else a job that comes right then makes it."""
    abandon_slot(tmp_path)

    def abandon() -> None:
        for _ in range(500):
            abandon_slot(tmp_path)

    thread = threading.Thread(target=abandon)
    thread.start()
    found = True
    while thread.is_alive():
        found = found and (tmp_path / SLOT_NAME).exists()
    thread.join()
    assert found


def test_a_slot_that_cannot_be_replaced_stops_no_keeper(tmp_path: Path) -> None:
    abandon_slot(tmp_path / "deleted")
    assert not (tmp_path / "deleted").exists()
    (tmp_path / SLOT_NAME).mkdir()
    abandon_slot(tmp_path)
