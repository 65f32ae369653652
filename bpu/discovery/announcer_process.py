"""Starts and ends the announcer in gunicorn's master.

The master forks, so it must not import `zeroconf`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bpu.board import tools
from bpu.board.service import AVAHI_FILE
from bpu.discovery.announcement import avahi_file, is_wanted, txt_record
from bpu.project import IMPORT_ROOT
from bpu.settings import Settings

AVAHI_SOCKET = Path("/run/avahi-daemon/socket")
#: systemd sets it for services of `Type=notify`, as this one is.
SERVICE_VARIABLE = "NOTIFY_SOCKET"
#: Withdrawing the announcement takes most of a second.
GOODBYE_S = 3.0


def start(settings: Settings, models: Sequence[str], environ: Mapping[str, str] = os.environ) -> int | None:
    """Start the announcer; return its pid, or None if it has nothing to announce.

    Raises `ToolFailed`.
    """
    if not is_wanted(settings, is_service=SERVICE_VARIABLE in environ) or avahi_file(settings, models) is None:
        return None
    if AVAHI_FILE.exists() and AVAHI_SOCKET.exists():
        return None
    arguments = json.dumps({"bind": settings.bind, "txt": txt_record(settings, models), "parent": os.getpid()})
    return tools.start([sys.executable, "-m", "bpu.discovery.announcer", arguments], cwd=IMPORT_ROOT)


def stop(pid: int) -> None:
    """End the announcer, and wait until it has withdrawn the announcement.

    It is a child of this process.
    """
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return
        os.kill(pid, signal.SIGTERM)  # it is not reaped yet, so its pid is no other process's
        deadline = time.monotonic() + GOODBYE_S
        while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.05)


def is_stale(settings: Settings, models: Sequence[str]) -> bool:
    """Whether Avahi's file was written with other settings."""
    try:
        return AVAHI_FILE.read_text(encoding="utf-8") != (avahi_file(settings, models) or "")
    except (OSError, UnicodeError):
        return False
