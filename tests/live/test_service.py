"""What the unit relies on: gunicorn tells systemd when it serves."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.live.gateway import running


def test_systemd_is_told_when_the_gateway_listens(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(address))
        sock.settimeout(30)
        with running(tmp_path, env={"NOTIFY_SOCKET": str(address)}):
            assert b"READY=1" in sock.recv(4096).splitlines()
