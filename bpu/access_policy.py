"""Who may come in: API keys, networks, host names and proxies, as pure rules over strings.

It knows no request and no Flask, so that the start of the gateway can check the settings with it too.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Union

from bpu.errors import SettingsError
from bpu.messages import say
from bpu.settings import Settings

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

#: This machine and the networks that no router of the internet forwards: RFC 1122, 1918, 3927, 6598, 4193, 4291.
NEAR = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
#: Ends of names that nobody can register on the internet: RFC 6761, 6762, 8375, ICANN's .internal, and routers' own.
LOCAL_NAMES = (".local", ".internal", ".lan", ".home", ".home.arpa", ".localdomain", ".fritz.box")
#: A host as RFC 3986 writes it, an IPv6 address in brackets or a name without a colon, and a port.
_HOST = re.compile(r"(?:\[([0-9a-f:.]+(?:%[\w.-]+)?)\]|([^\[\]:]*))(?::[0-9]*)?")
_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*")
#: In `BPU_TRUSTED_PROXIES`: whoever comes through a unix socket.
UNIX = "unix"


@dataclass(frozen=True)
class Access:
    """The rules of one gateway. `keys` are SHA-256 digests, so that comparing them tells nothing of their length."""

    keys: tuple[bytes, ...] = ()
    hosts: frozenset[str] = frozenset()
    proxies: tuple[Network, ...] = ()
    trusts_unix: bool = False
    is_loopback_only: bool = False

    @property
    def needs_key(self) -> bool:
        return bool(self.keys)

    def key_fits(self, given: Iterable[str]) -> bool:
        """Whether one of `given` (header values as WSGI gives them, latin-1) is a key. Constant time: no early end."""
        fits = False
        for text in given:
            digest = sha256(text.encode("latin-1", "replace")).digest()
            for key in self.keys:
                fits |= hmac.compare_digest(digest, key)
        return fits

    def host_fits(self, host: str) -> bool:
        """Whether a `Host` header may name this machine: a name that a stranger can register means DNS rebinding.

        Single labels and local names cannot be registered. A gateway on loopback alone is not reached by them.
        """
        name = host_name(host)
        if name in self.hosts:
            return True
        if (address := _address(name)) is not None:
            # Only a link-local address has a zone, the name of an interface.
            return "%" not in name or (address.is_link_local and "." not in name)
        if not _NAME.fullmatch(name):
            return False
        is_local = "." not in name or name.endswith(LOCAL_NAMES)
        return name.endswith(".localhost") or (is_local and not self.is_loopback_only)

    def trusts(self, peer: str) -> bool:
        """Whether `peer`, the other end of the connection ("" for a unix socket), may speak for others."""
        if not peer:
            return self.trusts_unix
        address = _address(peer)
        return address is not None and any(address in network for network in self.proxies)

    def client(self, peer: str, forwarded_for: str) -> str:
        """The client's address: `peer`, or the last stranger in `X-Forwarded-For` when a trusted proxy speaks."""
        client = peer
        for hop in reversed([part for part in forwarded_for.split(",") if part.strip()]):
            if not self.trusts(client):
                break
            client = host_name(hop)
        return client


def access(settings: Settings) -> Access:
    """The rules that `settings` ask for. Raises `SettingsError` when a file of keys cannot be used."""
    keys = [*settings.api_keys, *file_keys(settings)]
    networks = [text for text in settings.trusted_proxies if text.lower() != UNIX]
    names = {host_name(name) for name in settings.allowed_hosts}
    return Access(
        keys=tuple(sha256(key.encode()).digest() for key in keys),
        hosts=frozenset({"localhost", socket.gethostname().lower(), *names}),
        proxies=tuple(ipaddress.ip_network(text, strict=False) for text in networks),
        trusts_unix=any(text.lower() == UNIX for text in settings.trusted_proxies),
        # A trusted proxy brings names from outside to a gateway on loopback.
        is_loopback_only=not networks and all(_is_loopback(host_name(part)) for part in _addresses(settings)),
    )


def given_keys(authorization: str, api_key: str) -> list[str]:
    """The keys in a request's headers `Authorization` and `X-Api-Key`."""
    scheme, _, token = authorization.partition(" ")
    return [*([token.strip()] if scheme.lower() == "bearer" else []), api_key]


def is_near(client: str) -> bool:
    """Whether a client is on this machine or in a private network; "" is a unix socket, so it is."""
    if not client:
        return True
    address = _address(client)
    return address is not None and any(address in network for network in NEAR)


def host_name(host: str) -> str:
    """The bare name or address of `host`: no port, no brackets, no dot at the end, lower case.

    What is neither a host with or without a port nor an address stays as it is, so that no rule takes it for one.
    """
    name = host.strip().lower()
    if match := _HOST.fullmatch(name):
        name = match[1] or match[2]
    return name.rstrip(".")


def _addresses(settings: Settings) -> list[str]:
    """Every address that is listened on."""
    return [part for bind in (settings.bind, settings.ollama_bind) for part in bind.split(",") if part]


def _is_loopback(name: str) -> bool:
    return name == "localhost" or is_loopback_address(name)


def is_loopback_address(client: str) -> bool:
    """Whether `client` is an address of this machine itself; names and "" are not."""
    address = _address(client)
    return address is not None and address.is_loopback


def _address(text: str) -> Address | None:
    """`text` as an address; one of IPv4 mapped into IPv6 as what it is."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def file_keys(settings: Settings) -> list[str]:
    """Read the keys in `BPU_API_KEYS_FILE`, one a line. Raises `SettingsError`, also for a file without a key.

    Such a file is refused because the gateway would then serve without keys.
    """
    path = settings.api_keys_file
    if path is None:
        return []
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeError) as error:
        raise SettingsError(say("settings.keys_unreadable", path=path, reason=error)) from None
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise SettingsError(say("settings.no_keys", path=path))
    return keys
