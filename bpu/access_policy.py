"""Decides which clients are allowed.

API keys, networks, host names and proxies, as pure rules over strings. It does not depend on Flask, so that gunicorn's
master can check the settings with it at the start.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Union

from bpu.errors import SettingsError
from bpu.messages import os_reason, translate
from bpu.settings import Settings

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

#: This machine and the networks that the internet does not route: RFC 1122, 1918, 3927, 6598, 4193, 4291.
PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
#: Endings of names that cannot be registered: RFC 6761, 6762, 8375, ICANN's .internal, and those that routers use.
LOCAL_NAMES = (".local", ".internal", ".lan", ".home", ".home.arpa", ".localdomain", ".fritz.box")
#: A host as RFC 3986 writes it, an IPv6 address in brackets or a name without a colon, and a port.
_HOST = re.compile(r"(?:\[([0-9a-f:.]+(?:%[\w.-]+)?)\]|([^\[\]:]*))(?::[0-9]*)?")
_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*")
#: The word in `BPU_TRUSTED_PROXIES` for connections through a unix socket.
UNIX = "unix"


@dataclass(frozen=True)
class Access:
    """The rules of one gateway.

    `keys` are SHA-256 digests, so that comparing them does not reveal their length.
    """

    keys: tuple[bytes, ...] = ()
    hosts: frozenset[str] = frozenset()
    proxies: tuple[Network, ...] = ()
    trusts_unix: bool = False
    is_loopback_only: bool = False

    @property
    def needs_key(self) -> bool:
        """Whether a client must send one of the API keys."""
        return bool(self.keys)

    def accepts_key(self, given: Iterable[str]) -> bool:
        """Whether one of `given` (latin-1 header values from WSGI) is a key. Takes constant time."""
        fits = False
        for text in given:
            digest = sha256(text.encode("latin-1", "replace")).digest()
            for key in self.keys:
                fits |= hmac.compare_digest(digest, key)
        return fits

    def accepts_host(self, host: str) -> bool:
        """Whether a `Host` header is allowed.

        A name that anyone can register is not: it means DNS rebinding. Single labels and local names cannot be
        registered. A gateway that listens only on loopback does not need them.
        """
        name = host_name(host)
        if name in self.hosts:
            return True
        if (address := _address(name)) is not None:
            # Only a link-local address can have a zone, the name of an interface.
            return "%" not in name or (address.is_link_local and "." not in name)
        if not _NAME.fullmatch(name):
            return False
        is_local = "." not in name or name.endswith(LOCAL_NAMES)
        return name.endswith(".localhost") or (is_local and not self.is_loopback_only)

    def trusts(self, peer: str) -> bool:
        """Whether `peer`, the connection's other end ("" for a unix socket), is a trusted proxy."""
        if not peer:
            return self.trusts_unix
        address = _address(peer)
        return address is not None and any(address in network for network in self.proxies)

    def client(self, peer: str, forwarded_for: str) -> str:
        """Return the client's address: `peer`, or behind trusted proxies the last other in `X-Forwarded-For`."""
        client = peer
        for hop in reversed([part for part in forwarded_for.split(",") if part.strip()]):
            if not self.trusts(client):
                break
            client = host_name(hop)
        return client


def access(settings: Settings) -> Access:
    """Make the rules from `settings`. Raises `SettingsError` when the key file cannot be used."""
    keys = [*settings.api_keys, *file_keys(settings)]
    networks = [text for text in settings.trusted_proxies if text.lower() != UNIX]
    names = {host_name(name) for name in settings.allowed_hosts}
    return Access(
        keys=tuple(sha256(key.encode()).digest() for key in keys),
        hosts=frozenset({"localhost", socket.gethostname().lower(), *names}),
        proxies=tuple(ipaddress.ip_network(text, strict=False) for text in networks),
        trusts_unix=any(text.lower() == UNIX for text in settings.trusted_proxies),
        # A trusted proxy passes on host names from outside to a gateway on loopback.
        is_loopback_only=not networks and all(_is_loopback(host_name(part)) for part in _addresses(settings)),
    )


def given_keys(authorization: str, api_key: str) -> list[str]:
    """Return the keys in a request's headers `Authorization` and `X-Api-Key`."""
    scheme, _, token = authorization.partition(" ")
    return [*([token.strip()] if scheme.lower() == "bearer" else []), api_key]


def is_private_client(client: str) -> bool:
    """Whether a client is on this machine or in a private network.

    "" means a unix socket on this machine.
    """
    if not client:
        return True
    address = _address(client)
    return address is not None and any(address in network for network in PRIVATE_NETWORKS)


def serves_networks(settings: Settings) -> Callable[[str], bool]:
    """Return whether clients in the network of an address of this machine are served."""
    try:
        locked = access(settings).needs_key
    except SettingsError:
        locked = True  # keys are wanted, but their file cannot be used
    return lambda ip: locked or is_private_client(ip)


def host_name(host: str) -> str:
    """Return the name or address in `host`, in lower case.

    The port, brackets and a final dot are removed. Malformed text is returned as it is, so that no rule accepts it.
    """
    name = host.strip().lower()
    if match := _HOST.fullmatch(name):
        name = match[1] or match[2]
    return name.rstrip(".")


def _addresses(settings: Settings) -> list[str]:
    """List the addresses on which the gateway listens."""
    return [part for bind in (settings.bind, settings.ollama_bind) for part in bind.split(",") if part]


def _is_loopback(name: str) -> bool:
    return name == "localhost" or is_loopback_address(name)


def is_loopback_address(client: str) -> bool:
    """Whether `client` is an address of this machine itself; names and "" are not."""
    address = _address(client)
    return address is not None and address.is_loopback


def _address(text: str) -> Address | None:
    """Parse `text` as an address; an IPv4 address mapped into IPv6 becomes IPv4."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def file_keys(settings: Settings) -> list[str]:
    """Read the keys in `BPU_API_KEYS_FILE`, one a line.

    Raises `SettingsError`, also for a file without a key. Such a file is refused because the gateway would then serve
    without keys.
    """
    path = settings.api_keys_file
    if path is None:
        return []
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except PermissionError:
        raise SettingsError(translate("settings.keys_not_permitted", path=path)) from None
    except (OSError, UnicodeError) as error:
        raise SettingsError(translate("settings.keys_unreadable", path=path, reason=os_reason(error))) from None
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise SettingsError(translate("settings.no_keys", path=path))
    return keys
