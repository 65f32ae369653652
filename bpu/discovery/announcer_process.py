"""Starts and ends the announcer from gunicorn's master, which must not load `zeroconf` itself: it forks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bpu.board import tools
from bpu.board.service import AVAHI_FILE
from bpu.discovery.announcement import avahi_file, is_wanted, txt_record
from bpu.project import IMPORT_ROOT
from bpu.settings import Settings

AVAHI_SOCKET = Path("/run/avahi-daemon/socket")
#: systemd sets it for a service that tells when it is ready, as ours does.
SERVICE_VARIABLE = "NOTIFY_SOCKET"
#: The goodbye on the network takes most of a second.
GOODBYE_S = 3.0


def start(settings: Settings, environ: Mapping[str, str] = os.environ) -> int | None:
    """Start the announcer; its pid, or None where nothing is to be announced by it. Raises `ToolFailed`."""
    if not is_wanted(settings, is_service=SERVICE_VARIABLE in environ) or avahi_file(settings) is None:
        return None
    if AVAHI_FILE.exists() and AVAHI_SOCKET.exists():
        return None
    given = json.dumps({"bind": settings.bind, "txt": txt_record(settings), "parent": os.getpid()})
    return tools.start([sys.executable, "-m", "bpu.discovery.announcer", given], cwd=IMPORT_ROOT)


def stop(pid: int) -> None:
    """End the announcer, a child of this process, and wait for its goodbye."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + GOODBYE_S
        while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.05)


def is_stale(settings: Settings) -> bool:
    """Whether Avahi announces what is no longer so: the file was written with other settings."""
    try:
        return AVAHI_FILE.read_text(encoding="utf-8") != (avahi_file(settings) or "")
    except (OSError, UnicodeError):
        return False
