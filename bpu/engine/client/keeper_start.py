"""Starts the keeper of a state folder, or waits while another process starts it.

Runs in a greenlet of the client.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from _socket import SocketType as RawSocket
from collections.abc import Callable
from pathlib import Path

from bpu import errors, gevent_io
from bpu.engine.file_locks import try_lock
from bpu.engine.launch_spec import BRIEF, LaunchTable
from bpu.project import IMPORT_ROOT

START_LIMIT_S = 10.0
_POLL_S = 0.02


def start_keeper(table: LaunchTable, find: Callable[[], RawSocket | None], *, quiet: bool) -> RawSocket:
    """Start a keeper for `table`, or wait while another process starts it.

    Return a connection to it. `find` connects to a keeper that listens. `quiet`: the keeper writes no log. Raises
    `BpuError` and `OSError`.
    """
    deadline = time.monotonic() + START_LIMIT_S
    lock_path = Path(table.default_launch.state_dir) / "start.lock"
    while time.monotonic() < deadline:
        start_lock = try_lock(lock_path, create=True)
        try:
            sock = find()
            if sock is None and start_lock is not None:
                _run_keeper(table, deadline, quiet=quiet)
                sock = find()
        finally:
            if start_lock is not None:
                start_lock.close()
        if sock is not None:
            return sock
        gevent_io.sleep(_POLL_S)
    raise errors.EngineStopping("The engine's keeper could not be started in time; try again.", retry_after=5)


def _run_keeper(table: LaunchTable, deadline: float, *, quiet: bool) -> None:
    # The keeper writes into the same log, so it leaves out the lines that this process leaves out.
    brief = [BRIEF] if logging.getLogger("bpu").level > logging.INFO else []
    keeper = subprocess.Popen(
        [sys.executable, "-S", "-m", "bpu.engine.keeper", table.default_launch.state_dir, *brief],
        cwd=IMPORT_ROOT,
        env={**table.default_launch.env, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        start_new_session=True,
    )
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    with keeper, keeper.stdin, keeper.stdout:
        keeper.stdin.write(table.to_json().encode())
        keeper.stdin.close()
        reader = gevent_io.Reader(keeper.stdout.fileno())
        try:
            line = keeper.stdout.readline() if reader.wait(deadline - time.monotonic()) else b""
        finally:
            reader.close()
    if not line:
        raise errors.EngineStopping("The engine's keeper did not start; try again.", retry_after=5)
    report = json.loads(line)
    if "error" in report:
        raise errors.EngineUnavailable(report["error"])
