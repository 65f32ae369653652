"""Lists the addresses under which other machines reach this one, best first.

It also prints them at start. It never sends a packet and never changes the network.
"""

from __future__ import annotations

import enum
import errno
import ipaddress
import json
import re
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpu import __version__
from bpu.board import tools
from bpu.errors import BpuError
from bpu.messages import translate
from bpu.settings import Settings

#: Windows' Internet Connection Sharing, the usual network between a PC and a board on a USB cable.
USB_NETWORK = ipaddress.ip_network("192.168.137.0/24")


class Kind(enum.IntEnum):
    """The kind of network behind an address, in the order of preference."""

    USB = 0
    WIRED = 1
    WIFI = 2
    TUNNEL = 3
    CONTAINER = 4


#: Interface names by kind; the first match counts. A name that matches none is wired.
NAMES = (
    (Kind.CONTAINER, r"docker|br-[0-9a-f]{8,}|veth|virbr|vmnet|vboxnet|lxc|lxd|podman|cni|flannel|cali|kube"),
    (Kind.TUNNEL, r"tun|tap|wg|tailscale|zt|ppp|wwan"),
    (Kind.WIFI, r"wl|wifi|ath\d"),
    (Kind.USB, r"usb|rndis|ncm"),
)


@dataclass(frozen=True)
class Address:
    """One IPv4 address of this machine.

    `dynamic` says whether it is from DHCP; None if the system does not say.
    """

    ip: str
    interface: str
    kind: Kind
    dynamic: bool | None = None


def kind_of(ip: str, interface: str, sysfs: Path = Path("/sys/class/net")) -> Kind:
    """Return the kind of an address.

    It follows from its network, its interface's name and the kernel's entry for the interface.
    """
    if ipaddress.ip_address(ip) in USB_NETWORK:
        return Kind.USB
    if (sysfs / interface / "wireless").exists() or (sysfs / interface / "phy80211").exists():
        return Kind.WIFI
    return next((kind for kind, pattern in NAMES if re.match(pattern, interface)), Kind.WIRED)


def local_addresses(
    run: Callable[..., tools.Result] = tools.run, proc: Path = Path("/proc/net"), sysfs: Path = Path("/sys/class/net")
) -> list[Address]:
    """List all IPv4 addresses but loopback, best first, without links that are down. Never raises."""
    found = _read_iproute(run)
    if found is None:
        found = [(ip, interface, None) for ip, interface in _read_proc(proc)]
    addresses = [Address(ip, name, kind_of(ip, name, sysfs), dynamic) for ip, name, dynamic in found]
    return sorted(addresses, key=lambda address: address.kind)


def reachable(bind: str, found: Sequence[Address], hostname: str = "") -> list[tuple[str, Kind | None]]:
    """List the base URLs of a server bound to `bind` (`BPU_BIND`), best first.

    Kind None is a name or loopback. Container bridges are left out, because no other machine reaches them. Empty if it
    listens only on unix sockets.
    """
    parts = [part for part in bind.split(",") if not part.startswith(("unix:", "fd:"))]
    urls = dict.fromkeys(url for part in parts for url in _reachable(part, found, hostname))
    return sorted(urls, key=lambda url: len(Kind) if url[1] is None else url[1])


def _reachable(bind: str, found: Sequence[Address], hostname: str) -> list[tuple[str, Kind | None]]:
    host, _, port = bind.rpartition(":")
    if host not in {"0.0.0.0", "[::]"}:
        kind = next((address.kind for address in found if address.ip == host), None)
        return [(f"http://{host}:{port}", kind)]
    near = [(address.ip, address.kind) for address in found if address.kind is not Kind.CONTAINER]
    names = [f"{hostname.split('.')[0]}.local"] if hostname not in {"", "localhost"} else []
    return [
        (f"http://{name}:{port}", kind) for name, kind in [*near, *((name, None) for name in [*names, "localhost"])]
    ]


def busy_ports(bind: str) -> list[str]:
    """List the parts of `bind` (`BPU_BIND`) that another program listens on.

    Unix sockets are not checked.
    """
    parts = [part for part in bind.split(",") if not part.startswith(("unix:", "fd:"))]
    return [part for part in parts if _is_busy(part)]


def _is_busy(part: str) -> bool:
    problem = bind_problem(part)
    return problem is not None and problem.errno == errno.EADDRINUSE


def bind_problem(part: str) -> OSError | None:
    """Return the error of binding a socket to `part` (`host:port`) now.

    Return None without one and for unix sockets.
    """
    if part.startswith(("unix:", "fd:")):
        return None
    host, _, port = part.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    try:
        with socket.socket(family) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host.strip("[]"), int(port)))
    except OSError as error:
        return error
    return None


def address_text(
    settings: Settings,
    *,
    simulated: bool,
    cpu: bool = False,
    found: Sequence[Address],
    hostname: str,
    serves: Callable[[str], bool] = lambda ip: True,
) -> str:
    """Return the text shown at start: the engine that answers, and every address for Chatbox.

    `serves` tells whether clients from an address's network are served without a key.
    """
    engine = "simulator" if simulated else "cpu" if cpu else "board"
    who = translate(f"addresses.{engine}", model=settings.model_id)
    lines = ["", translate("addresses.title", version=__version__), who]
    urls = reachable(settings.bind, found, hostname)
    if not urls:
        return "\n".join([*lines, translate("addresses.socket", bind=settings.bind), ""])
    lines.append(translate("addresses.chatbox"))
    lines += address_lines(urls, serves)
    lines.append(translate("addresses.page", url=f"{urls[-1][0]}/"))
    return "\n".join([*lines, ""])


def address_lines(urls: Iterable[tuple[str, Kind | None]], serves: Callable[[str], bool]) -> list[str]:
    """Return a line with API host and network for each of `urls`.

    `urls` are as `reachable` lists them. `serves` tells whether clients from an address's network are served without a
    key.
    """
    return [f"  {url + '/v1':<36} {_label(url, kind, serves)}" for url, kind in urls]


def print_addresses(
    settings: Settings,
    *,
    simulated: bool,
    cpu: bool = False,
    write: Callable[[str], Any] | None = None,
    find: Callable[[], Sequence[Address]] = local_addresses,
    serves: Callable[[str], bool] = lambda ip: True,
) -> None:
    """Print the addresses to standard output, as the server does once it listens. Never raises."""
    hostname = socket.gethostname()
    text = address_text(settings, simulated=simulated, cpu=cpu, found=find(), hostname=hostname, serves=serves)
    if write is not None:
        write(text + "\n")
        return
    # A terminal that cannot show Chinese must not stop the server.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write((text + "\n").encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def _label(url: str, kind: Kind | None, serves: Callable[[str], bool]) -> str:
    if kind is None:
        return translate("addresses.mdns" if ".local:" in url else "addresses.here")
    network = translate(f"addresses.{kind.name.lower()}")
    return network if serves(host_of(url)) else translate("addresses.closed", network=network)


def host_of(url: str) -> str:
    """Return the host of a base URL of `reachable`."""
    return url.removeprefix("http://").rpartition(":")[0]


def _read_iproute(run: Callable[..., tools.Result]) -> list[tuple[str, str, bool | None]] | None:
    """Ask iproute2 for each address, its interface and whether it is from DHCP.

    Return None if that fails.
    """
    try:
        result = run(["ip", "-j", "addr"], timeout=5)
        links = json.loads(result.out)
    except (BpuError, ValueError):
        return None
    return [
        (info["local"], link["ifname"], bool(info.get("dynamic")))
        for link in links
        if link.get("operstate") != "DOWN"
        for info in link.get("addr_info", [])
        if info.get("family") == "inet" and info.get("scope") == "global"
    ]


def _read_proc(proc: Path) -> Iterable[tuple[str, str]]:
    """Read the kernel's own addresses, each with the interface whose network contains it."""
    try:
        trie = (proc / "fib_trie").read_text()
        routes = [line.split() for line in (proc / "route").read_text().splitlines()[1:]]
    except OSError:
        return
    networks = [(_network(row[1], row[7]), row[0]) for row in routes if len(row) > 7]
    local = re.findall(r"\|-- ([\d.]+)\n\s+/32 host LOCAL", trie)
    for ip in dict.fromkeys(local):
        address = ipaddress.ip_address(ip)
        if address.is_loopback:
            continue
        holding = [(network.prefixlen, name) for network, name in networks if address in network]
        yield ip, max(holding)[1] if holding else ""


def _network(destination: str, mask: str) -> ipaddress.IPv4Network:
    """Parse the network of a row of /proc/net/route: little-endian 32-bit words in hexadecimal."""
    address, bits = (int.from_bytes(bytes.fromhex(word), "little") for word in (destination, mask))
    return ipaddress.IPv4Network((address, bits.bit_count()))
