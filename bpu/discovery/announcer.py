"""A process beside gunicorn that announces the gateway by the `zeroconf` package.

`python -m bpu.discovery.announcer JSON`, where the JSON has `bind`, `txt` and the pid `parent`: it gets no settings and
no keys. On SIGTERM, or when its parent has ended, it withdraws the announcement and exits. It reads the addresses again
every `REFRESH_S`, because a board may get its address late.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence

from zeroconf import Error as ZeroconfError
from zeroconf import IPVersion, NonUniqueNameException, ServiceInfo, Zeroconf

from bpu.board.addresses import Address, local_addresses
from bpu.discovery.announcement import PATHS, Announcement, announcement
from bpu.log_writer import LogWriter

log = logging.getLogger("bpu.discovery")

REFRESH_S = 30.0
PARENT_CHECK_S = 0.5


class Announcer:
    """Keeps at most one registration up to date. Main thread of the announcer process."""

    def __init__(
        self, bind: str, txt: Mapping[str, str], find: Callable[[], Sequence[Address]] = local_addresses
    ) -> None:
        self._bind = bind
        self._txt = txt
        self._find = find
        self._current: Announcement | None = None
        self._zeroconf: Zeroconf | None = None

    def refresh(self) -> None:
        """Announce the present addresses; a network that fails is tried again at the next refresh."""
        wanted = announcement(self._bind, self._txt, self._find(), socket.gethostname())
        if wanted == self._current:
            return
        self.withdraw()
        if wanted is None:
            return
        try:
            self._zeroconf = Zeroconf(interfaces=list(wanted.hosts), ip_version=IPVersion.V4Only)
            for kind in PATHS:
                self._zeroconf.register_service(service_info(wanted, kind), allow_name_change=True)
        except (OSError, ZeroconfError, NonUniqueNameException) as error:
            log.warning("The gateway cannot be announced by mDNS: %s", error)
            self.withdraw()
            return
        self._current = wanted
        log.info("announced by mDNS as %r on %s", wanted.name, ", ".join(wanted.hosts))

    def withdraw(self) -> None:
        """Withdraw the announcement and close the sockets."""
        self._current = None
        if self._zeroconf is not None:
            self._zeroconf.close()
            self._zeroconf = None


def service_info(announced: Announcement, kind: str) -> ServiceInfo:
    """Return one service type of the announcement for the library."""
    host = socket.gethostname().partition(".")[0] or "rdk"
    return ServiceInfo(
        f"{kind}.local.",
        f"{announced.name}.{kind}.local.",
        port=announced.port,
        properties=announced.properties(kind),
        server=f"{host}.local.",
        addresses=[socket.inet_aton(ip) for ip in announced.hosts],
    )


def main() -> None:
    """Announce the gateway until SIGTERM, SIGINT or the end of the parent process."""
    sys.stderr = LogWriter()  # a reader of the log that is paused must not keep this process from ending
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    arguments = json.loads(sys.argv[1])
    announcer = Announcer(arguments["bind"], arguments["txt"])
    try:
        while True:
            announcer.refresh()
            for _ in range(round(REFRESH_S / PARENT_CHECK_S)):
                if ended.wait(PARENT_CHECK_S) or os.getppid() != arguments["parent"]:
                    return
    finally:
        announcer.withdraw()


if __name__ == "__main__":
    main()
