"""Checks the gateway's port, its addresses for Chatbox, and firewalls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bpu.board.addresses import USB_NETWORK, Address, Kind, address_lines, reachable
from bpu.board.checks.finding import Finding, failure, note, success, warning
from bpu.board.checks.subject import Subject
from bpu.board.processes import Process, socket_owner
from bpu.board.readings import text_of
from bpu.errors import BpuError

_LISTENING = "0A"
_LOOPBACK = ("127.", "localhost:", "[::1]:", "unix:", "fd:")
_TIMEOUT_S = 10
#: Windows' Internet Connection Sharing gives itself this address.
SHARING_GATEWAY = "192.168.137.1"


def check_network(subject: Subject) -> Iterator[Finding]:
    """Check the ports, the addresses, their stability and the firewall."""
    found = list(subject.addresses())
    for port in _ports(subject.settings.bind):
        yield _port(subject, port)
    yield _reachable(subject, found)
    yield from _static(subject, found)
    yield from _firewall(subject)


def _ports(bind: str) -> list[int]:
    parts = [part for part in bind.split(",") if not part.startswith(("unix:", "fd:"))]
    return sorted({int(part.rpartition(":")[2]) for part in parts})


def _port(subject: Subject, port: int) -> Finding:
    inode = _listener(subject, port)
    if inode is None:
        return success("port", "port_free", port=port)
    owner = socket_owner(inode, subject.root)  # of other users' sockets only root sees it
    if owner is None and subject.is_gateway(port):
        return success("port", "gateway_answers", port=port)
    if owner is None:
        return warning("port", "port_taken", "see_owner", port=port)
    if _is_gateway(owner):
        return success("port", "gateway_runs", port=port, owner=owner)
    return failure("port", "port_taken_by", "other_port", port=port, owner=owner)


def _is_gateway(owner: Process) -> bool:
    return "wsgi:app" in owner.command or "bpu" in owner.command.split()


def _listener(subject: Subject, port: int) -> str | None:
    """Return the inode of the listening socket of `port`.

    It reads /proc/net/tcp (local address, state, ..., inode).
    """
    for table in ("tcp", "tcp6"):
        for line in text_of(subject.root / "proc/net" / table).splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == _LISTENING and int(words[1].rpartition(":")[2], 16) == port:
                return words[9]
    return None


def _reachable(subject: Subject, found: Sequence[Address]) -> Finding:
    urls = reachable(subject.settings.bind, found, subject.hostname)
    near = [(url, kind) for url, kind in urls if "localhost" not in url]
    if not urls:
        return note("addresses", "socket_only", bind=subject.settings.bind)
    if not any(kind is not None for _, kind in near):
        if all(part.startswith(_LOOPBACK) for part in subject.settings.bind.split(",")):
            return note("addresses", "loopback_only", "open_bind", bind=subject.settings.bind)
        return note("addresses", "nowhere", "connect_cable", url=urls[-1][0])
    return success("addresses", "addresses", urls="\n" + "\n".join(address_lines(near, subject.serves)))


def _static(subject: Subject, found: Sequence[Address]) -> Iterator[Finding]:
    """Advise a static address, because an address from DHCP may change."""
    best = next((one for one in found if one.kind in (Kind.USB, Kind.WIRED, Kind.WIFI)), None)
    if best is None or not subject.board:
        return
    if not best.dynamic:
        if best.dynamic is False:
            yield success("static", "address_fixed", ip=best.ip, interface=best.interface)
        return
    gateway = SHARING_GATEWAY if best.kind is Kind.USB else _gateway(subject, best.interface)
    name = _connection(subject, best.interface)
    yield note(
        "static", "address_dynamic", "make_static",
        ip=best.ip, interface=best.interface, name=name, prefix=_prefix(subject, best), gateway=gateway,
    )  # fmt: skip


def _connection(subject: Subject, interface: str) -> str:
    """Return NetworkManager's name of the connection, or the interface's if there is none."""
    words = ["nmcli", "-t", "-f", "GENERAL.CONNECTION", "device", "show", interface]
    name = _run(subject, words).partition(":")[2].strip()
    return name if name and name != "--" else interface


def _gateway(subject: Subject, interface: str) -> str:
    words = _run(subject, ["ip", "-4", "route", "show", "default", "dev", interface]).split()
    return words[words.index("via") + 1] if "via" in words[:-1] else "GATEWAY"


def _prefix(subject: Subject, address: Address) -> str:
    if address.kind is Kind.USB:
        return str(USB_NETWORK.prefixlen)
    for word in _run(subject, ["ip", "-4", "-o", "addr", "show", "dev", address.interface]).split():
        if word.startswith(f"{address.ip}/"):
            return word.partition("/")[2]
    return "24"


def _firewall(subject: Subject) -> Iterator[Finding]:
    if "Status: active" in _run(subject, ["ufw", "status"]):
        for port in _ports(subject.settings.bind):
            yield note("firewall", "ufw_active", "ufw_allow", port=port)
    if subject.board:
        yield note("windows", "windows_hint")


def _run(subject: Subject, words: list[str]) -> str:
    if subject.find(words[0]) is None:
        return ""
    try:
        return subject.run(words, timeout=_TIMEOUT_S).out
    except BpuError:
        return ""
