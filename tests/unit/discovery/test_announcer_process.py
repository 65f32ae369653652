"""The announcer's process is ended by the master, and no other process is."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from bpu.discovery import announcer_process

#: Starts a process whose parent ends, so that it is no child of the test.
FORK = "import subprocess; print(subprocess.Popen(['sleep', '60'], stdout=-3, stderr=-3).pid)"


def test_the_announcer_is_ended_and_reaped() -> None:
    child = subprocess.Popen(["sleep", "60"])
    announcer_process.stop(child.pid)
    assert not psutil.pid_exists(child.pid)
    child.wait()


def test_a_process_that_has_got_the_pid_of_an_announcer_that_ended_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The announcer has died long ago, and the master has reaped it."""
    found = subprocess.run([sys.executable, "-c", FORK], stdout=subprocess.PIPE, check=True)
    other, signalled = psutil.Process(int(found.stdout)), list[int]()
    monkeypatch.setattr(os, "kill", lambda pid, number: signalled.append(pid))
    announcer_process.stop(other.pid)
    monkeypatch.undo()
    other.kill()
    assert signalled == []


def test_an_announcer_that_has_ended_is_only_reaped() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    announcer_process.stop(child.pid)
    assert not psutil.pid_exists(child.pid)
    child.wait()
