"""Waits until this board's gateway is ready, by its `/ready`.

If it does not become ready, it returns the reason.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bpu.board import service, tools
from bpu.cli._terminal import Notice
from bpu.errors import BpuError
from bpu.messages import translate
from bpu.settings import Settings

REQUEST_S = 5.0
PAUSE_S = 0.5
#: The start of Python, the examination of an unknown console, and a restart after a failure come on top of a load.
MARGIN_S = 60.0
LOG_LINES = 15


@dataclass(frozen=True)
class Answer:
    """The answer of `/ready`; `state` is "" if no server listens."""

    ready: bool = False
    state: str = ""
    reason: str = ""


class _UnixConnection(http.client.HTTPConnection):
    """An HTTP connection to a unix socket, with its path as the host."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)


def connection(bind: str) -> http.client.HTTPConnection | None:
    """Make a connection from this machine to a server bound to `bind`.

    Return None for an inherited socket.
    """
    part = bind.split(",")[0]
    if part.startswith("fd:"):
        return None
    if part.startswith("unix:"):
        found = _UnixConnection("localhost", timeout=REQUEST_S)
        found.host = part.removeprefix("unix:")
        return found
    host, _, port = part.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))
    return http.client.HTTPConnection(host, int(port), timeout=REQUEST_S)


def ask_ready(settings: Settings) -> Answer:
    """Request `/ready` once; it needs no key."""
    client = connection(settings.bind)
    if client is None:
        return Answer()
    try:
        client.request("GET", "/ready", headers={"Host": "localhost"})
        body = json.loads(client.getresponse().read())
        return Answer(bool(body["ready"]), str(body["state"]), str(body["reason"] or ""))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return Answer()
    finally:
        client.close()


def wait_until_ready(
    settings: Settings,
    *,
    ask: Callable[[Settings], Answer] = ask_ready,
    unit: Callable[[str], Mapping[str, str]] = service.state,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """Wait until the service is ready.

    Return None, or a sentence with the reason why it is not.
    """
    deadline = clock() + settings.load_timeout_s + MARGIN_S
    with Notice() as notice:
        while True:
            answer = ask(settings)
            if answer.ready:
                return None
            found = unit(service.GATEWAY)
            if answer.state == "failed":
                return answer.reason
            if not answer.state and _has_ended(found):
                return translate("service.ended", state=found.get("SubState") or found.get("ActiveState", ""))
            if clock() > deadline:
                return answer.reason or translate("service.silent", bind=settings.bind)
            notice.show(answer.reason or translate("service.starting"))
            sleep(PAUSE_S)


def _has_ended(found: Mapping[str, str]) -> bool:
    """Whether the unit has ended, also if systemd will restart it after a failure."""
    return found.get("ActiveState") in ("failed", "inactive") or found.get("SubState") == "auto-restart"


def last_lines(*, run: service.Run = tools.run, lines: int = LOG_LINES) -> str:
    """Return the last lines of the service's log; "" without a journal."""
    try:
        return str(run(["journalctl", "-u", service.GATEWAY, "-n", lines, "--no-pager", "-o", "cat"], timeout=20).out)
    except BpuError:
        return ""
