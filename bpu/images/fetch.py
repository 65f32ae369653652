"""Fetches an image from an address, within the rule of `BPU_IMAGE_URLS`.

Runs in the process of `reader`. Every name is resolved once, and the connection goes to the address that was checked,
so that a second answer of the name server cannot lead elsewhere. Redirects are checked in the same way.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from bpu.images.decode import BadImage

MAX_BYTES = 8 * 1024 * 1024
MAX_REDIRECTS = 3
LIMIT_S = 10.0
_PIECE = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
#: What stays as it is in an address; blanks and characters beyond ASCII are encoded, as browsers do.
_KEPT = "!#$%&'()*+,/:;=?@[]~"
#: Every address beyond this machine and its networks.
PUBLIC = "public"

Resolve = Callable[..., list[Any]]


def fetch(
    address: str, allowed: Collection[str], *, resolve: Resolve = socket.getaddrinfo, limit_s: float = LIMIT_S
) -> bytes:
    """Return the bytes of the image at `address`.

    `allowed` holds `public` or hosts (`host` or `host:port`). A host of the list may have any address; `public` allows
    global addresses only. Raises `BadImage`.
    """
    until = time.monotonic() + limit_s
    for _ in range(MAX_REDIRECTS + 1):
        parts = _checked(address, allowed)
        target = _address_of(parts, allowed, resolve)
        try:
            found = _get(parts, target, until)
            if isinstance(found, bytes):
                return found
            address = urljoin(address, found)
        except (OSError, HTTPException, ValueError) as error:
            reason = "it took too long" if time.monotonic() >= until else type(error).__name__
            raise BadImage(f"The image could not be fetched from {parts.hostname}: {reason}.") from None
    raise BadImage(f"The address of the image leads on more than {MAX_REDIRECTS} times.")


def _checked(address: str, allowed: Collection[str]) -> SplitResult:
    if not allowed:
        raise BadImage("This gateway fetches no images (BPU_IMAGE_URLS): send the image itself, as a data URL.")
    try:
        parts = urlsplit(address)
        port = parts.port or 0
    except ValueError:
        raise BadImage("The address of the image is no valid URL.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadImage("The address of an image must begin with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise BadImage("The address of an image must hold no user name and no password.")
    if not _is_listed(parts.hostname, port or _default_port(parts), allowed) and PUBLIC not in allowed:
        raise BadImage(f"This gateway fetches no images from {parts.hostname[:100]} (BPU_IMAGE_URLS).")
    return parts


def _default_port(parts: SplitResult) -> int:
    return 443 if parts.scheme == "https" else 80


def _is_listed(host: str, port: int, allowed: Collection[str]) -> bool:
    """Whether the list has the host itself.

    The word `public` is no host, though a search domain may know one.
    """
    name = f"[{host}]" if ":" in host else host
    hosts = {one.lower() for one in allowed} - {PUBLIC}
    return not hosts.isdisjoint({host.lower(), name.lower(), f"{name.lower()}:{port}"})


def _address_of(parts: SplitResult, allowed: Collection[str], resolve: Resolve) -> tuple[Any, ...]:
    """Resolve the host once; return family and address to connect to. Raises `BadImage`."""
    host, port = parts.hostname or "", parts.port or _default_port(parts)
    try:
        found = resolve(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise BadImage(f"The host {host[:100]} of the image's address is not known.") from None
    if not _is_listed(host, port, allowed):
        # All of them, because a name with one private address may be meant to lead there.
        for one in found:
            if not is_global(one[4][0]):
                raise BadImage(f"The image's address leads to {host[:100]}, which is not on the public internet.")
    if not found:
        raise BadImage(f"The host {host[:100]} of the image's address is not known.")
    return found[0][0], found[0][4]


def is_global(text: str) -> bool:
    """Whether an address is one of the public internet.

    An IPv4 address inside an IPv6 one is judged as the IPv4 address.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address not in _UNICAST and address not in _NAT64:
            return False
        inner = address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and not is_global(str(inner)):
            return False
    return address.is_global and not address.is_multicast


#: All global addresses of IPv6 that networks have been given (RFC 4291, IANA's registry); and IPv4 ones behind NAT64.
_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class _Connection(HTTPConnection):
    """Connects to an address that was checked before.

    It uses TLS for the host's name if the scheme asks for it. At the time `until` it is cut off, whatever the server
    sends: a limit for each read alone never ends a slow head.
    """

    def __init__(self, parts: SplitResult, target: tuple[Any, ...], until: float) -> None:
        port = parts.port or _default_port(parts)
        super().__init__(parts.hostname or "", port, timeout=_left(until))
        self.default_port = _default_port(parts)
        self._parts, self._target = parts, target
        self._open: socket.socket | None = None
        self._timer = threading.Timer(_left(until), self._cut)
        self._timer.daemon = True
        self._timer.start()

    def connect(self) -> None:
        family, address = self._target
        self.sock = self._open = sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(self.timeout)
        sock.connect(address)
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            self.sock = self._open = secure = context.wrap_socket(
                sock, server_hostname=self._parts.hostname, do_handshake_on_connect=False
            )
            secure.do_handshake()

    def end(self) -> None:
        """Close the connection for good. `HTTPConnection` itself calls `close` before the body is read."""
        self._timer.cancel()
        self.close()

    def _cut(self) -> None:
        if (sock := self._open) is not None:
            with suppress(OSError, ValueError):
                sock.shutdown(socket.SHUT_RDWR)


def _get(parts: SplitResult, target: tuple[Any, ...], until: float) -> bytes | str:
    """Return the image's bytes, or the address that the answer leads to."""
    connection = _Connection(parts, target, until)
    try:
        path = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
        headers = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "bpu"}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        if response.status in _REDIRECTS and (location := response.getheader("Location")):
            return quote(location.encode("latin-1"), safe=_KEPT)  # `http.client` decodes heads as Latin-1
        body = _body(response)
        _left(until)  # a connection that was cut off looks like one that has ended
        return body
    finally:
        connection.end()


def _body(response: HTTPResponse) -> bytes:
    if response.status != 200:
        raise BadImage(f"The image could not be fetched: the server answered {response.status}.")
    kind = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
    if kind and not kind.startswith("image/") and kind != "application/octet-stream":
        raise BadImage(f"The address leads to {kind[:40]!r}, which is no image.")
    pieces, size = list[bytes](), 0
    while piece := response.read1(_PIECE):
        size += len(piece)
        if size > MAX_BYTES:
            raise BadImage(f"The image at the address has more than {MAX_BYTES} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


def _left(until: float) -> float:
    """Return the seconds until the limit. Raises `TimeoutError` when it is over."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
