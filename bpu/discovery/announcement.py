"""Decides from settings and addresses whether and what to announce of a gateway. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bpu import __version__
from bpu.board.addresses import Address, Kind
from bpu.settings import Settings

#: Service types, and the path where clients of each start.
OPENAI, HTTP = "_openai._tcp", "_http._tcp"
PATHS = {OPENAI: "/v1", HTTP: "/"}
#: Networks that no router of the internet forwards: RFC 1918, 3927, 6598.
PRIVATE = tuple(
    ipaddress.IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10")
)
#: The same for IPv6: RFC 4193.
UNIQUE_LOCAL = ipaddress.IPv6Network("fc00::/7")
#: One string of a TXT record, its name and `=` included, has at most 255 bytes (RFC 6763, 6.1).
MAX_TXT = 255
#: An instance's name has at most 63 bytes (RFC 6763, 4.1.1).
MAX_NAME = 63


@dataclass(frozen=True)
class Announcement:
    """The announcement of one gateway. `hosts` are private IPv4 addresses of this machine."""

    name: str
    port: int
    hosts: tuple[str, ...]
    txt: Mapping[str, str]

    def properties(self, kind: str) -> dict[str, str]:
        """Return the TXT record of one service type."""
        return {"path": PATHS[kind], **self.txt}


def announcement(bind: str, txt: Mapping[str, str], addresses: Sequence[Address], hostname: str) -> Announcement | None:
    """Make the announcement of a gateway at `bind` (`BPU_BIND`).

    Return None if no private network reaches it.
    """
    near = [address.ip for address in addresses if address.kind is not Kind.CONTAINER and is_private(address.ip)]
    for part in bind.split(","):
        host, _, port = part.rpartition(":")
        hosts = [ip for ip in near if host in ("0.0.0.0", "[::]", ip)]
        if hosts and not part.startswith(("unix:", "fd:")):
            return Announcement(instance_name(hostname), int(port), tuple(hosts), txt)
    return None


def txt_record(settings: Settings, models: Sequence[str]) -> dict[str, str]:
    """Return the TXT record without the path.

    With API keys it does not name the models. Names that do not fit are left out; only a single one is truncated.
    """
    has_keys = bool(settings.api_keys) or settings.api_keys_file is not None
    named = {} if has_keys else {"models": _names(models, MAX_TXT - len("models="))}
    return {"version": __version__, "auth": "key" if has_keys else "none", **named}


def is_wanted(settings: Settings, *, is_service: bool) -> bool:
    """Whether to announce, by `BPU_ANNOUNCE`; `auto` announces only a systemd service."""
    return settings.announce == "1" or (settings.announce == "auto" and is_service)


def is_private(ip: str) -> bool:
    """Whether `ip` is an IPv4 address of a local network.

    It is not loopback, not public, and not reserved for something else.
    """
    try:
        address = ipaddress.IPv4Address(ip)
    except ValueError:
        return False
    return any(address in network for network in PRIVATE)


def instance_name(hostname: str) -> str:
    """Return the gateway's name in lists; the library numbers duplicate names."""
    return _truncate(f"RDK BPU Gateway {hostname.partition('.')[0]}".strip(), MAX_NAME)


def avahi_file(settings: Settings, models: Sequence[str]) -> str | None:
    """Return Avahi's service file.

    Return None with `BPU_ANNOUNCE=0` or if no private network can reach the gateway. Avahi adds the addresses itself
    and replaces `%h` by the host's name.
    """
    ports = [part.rpartition(":")[2] for part in settings.bind.split(",") if _may_be_private(part)]
    if settings.announce == "0" or not ports:
        return None
    txt = txt_record(settings, models)
    services = "".join(_avahi_service(kind, ports[0], {"path": path, **txt}) for kind, path in PATHS.items())
    return (
        '<?xml version="1.0" standalone="no"?>\n<!DOCTYPE service-group SYSTEM "avahi-service.dtd">\n'
        "<!-- Written by `bpu service install`, removed by `service remove`. -->\n<service-group>\n"
        f'  <name replace-wildcards="yes">RDK BPU Gateway %h</name>\n{services}</service-group>\n'
    )


def _avahi_service(kind: str, port: str, properties: Mapping[str, str]) -> str:
    strings = (escape(f"{name}={value}") for name, value in properties.items())
    records = "".join(f"    <txt-record>{string}</txt-record>\n" for string in strings)
    return f"  <service>\n    <type>{kind}</type>\n    <port>{port}</port>\n{records}  </service>\n"


def _may_be_private(part: str) -> bool:
    """Whether a private network may reach one address of `BPU_BIND`.

    All addresses, a private one, or a name.
    """
    host = part.rpartition(":")[0].strip("[]")
    if part.startswith(("unix:", "fd:")) or host == "localhost":
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return True
    return address.is_unspecified or is_private(host) or (address.version == 6 and address in UNIQUE_LOCAL)


def _names(models: Sequence[str], most: int) -> str:
    """Join the first names that fit into `most` bytes."""
    joined = _truncate(models[0], most)
    for name in models[1:]:
        longer = f"{joined},{_truncate(name, most)}"
        if len(longer.encode()) > most:
            break
        joined = longer
    return joined


def _truncate(text: str, most: int) -> str:
    """Truncate `text` to `most` bytes of UTF-8 at a character, without control characters."""
    printable = "".join(char for char in text if char.isprintable())
    return printable.encode()[:most].decode(errors="ignore")
