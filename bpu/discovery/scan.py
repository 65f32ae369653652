"""Finds gateways of the local network by mDNS, and asks each for its state.

All input is untrusted: names and TXT records may hold anything, addresses may point anywhere, an answer may never end.
So only private addresses are asked, without a key, for two fixed paths, with limits of bytes and seconds; and only
short printable text is shown.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from zeroconf import Error as ZeroconfError
from zeroconf import InterfaceChoice, IPVersion, ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf

from bpu.discovery.announcement import OPENAI, is_private
from bpu.errors import EngineUnavailable
from bpu.messages import os_reason, translate

#: Limits of gateways, addresses and models of one gateway, and characters of a text.
MAX_GATEWAYS, MAX_ADDRESSES, MAX_MODELS, MAX_TEXT = 64, 4, 20, 60
MAX_BYTES = 256 * 1024
ASK_S = 3.0
#: Time limit for one gateway's records.
RESOLVE_MS = 1500
#: So many at once that gateways which do not answer hold up the list for half a minute at most.
_AT_ONCE = 32


@dataclass(frozen=True)
class FoundGateway:
    """One gateway.

    `state` is the engine's, "" if the gateway did not answer; `waiting` is None if unknown.
    """

    name: str
    address: str
    version: str = ""
    models: tuple[str, ...] = ()
    needs_key: bool = False
    state: str = ""
    busy: bool = False
    waiting: int | None = None
    simulated: bool = False


def scan(seconds: float, *, interfaces: list[str] | None = None) -> list[FoundGateway]:
    """Listen for `seconds`, then ask each gateway. Raises `EngineUnavailable` if mDNS cannot be used."""
    names = _ServiceNames()
    try:
        zeroconf = Zeroconf(interfaces=interfaces or InterfaceChoice.All, ip_version=IPVersion.V4Only)
    except (OSError, ZeroconfError) as error:
        raise EngineUnavailable(translate("scan.no_network", reason=os_reason(error))) from error
    try:
        ServiceBrowser(zeroconf, f"{OPENAI}.local.", names)
        names.full.wait(seconds)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            resolved = pool.map(lambda name: _resolve(zeroconf, name), names.snapshot())
            resolved_records = [one for one in resolved if one is not None]
    finally:
        zeroconf.close()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return sorted(pool.map(_ask_gateway, resolved_records), key=lambda found: (found.name, found.address))


class _ServiceNames(ServiceListener):
    """The announced names, up to a limit.

    The library's thread calls it, so a lock guards them.
    """

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._lock = threading.Lock()
        self.full = threading.Event()

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        with self._lock:
            if len(self._names) < MAX_GATEWAYS:
                self._names[name] = None
            else:
                self.full.set()

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        with self._lock:
            self._names.pop(name, None)

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        """Do nothing, because the records are read at the end."""

    def snapshot(self) -> list[str]:
        with self._lock:
            return list(self._names)


def _resolve(zeroconf: Zeroconf, name: str) -> list[FoundGateway] | None:
    kind = f"{OPENAI}.local."
    try:
        info = ServiceInfo(kind, name)
        if not info.request(zeroconf, RESOLVE_MS):
            return None
        return parse_records(name, info.parsed_addresses(IPVersion.V4Only), info.port, info.properties)
    except (OSError, ValueError, ZeroconfError):
        return None


def parse_records(
    name: str, addresses: list[str], port: int | None, properties: dict[Any, Any]
) -> list[FoundGateway] | None:
    """Parse records to printable text, one entry for each private address; None without one."""
    near = [ip for ip in dict.fromkeys(addresses) if is_private(ip)][:MAX_ADDRESSES]
    if not near or not isinstance(port, int) or not 0 < port < 65536:
        return None
    values = {_text(key): _text(value) for key, value in list(properties.items())[:20]}
    models = tuple(filter(None, (clean(part) for part in values.get("models", "").split(","))))[:MAX_MODELS]
    return [
        FoundGateway(
            clean(name.removesuffix(f".{OPENAI}.local.")),
            f"http://{ip}:{port}",
            clean(values.get("version", "")),
            models,
            values.get("auth") == "key",
        )
        for ip in near
    ]


def clean(text: object) -> str:
    """Return `text` as one short printable line, without marks that change the text direction."""
    if not isinstance(text, str):
        return ""
    printable = "".join(char if char.isprintable() else " " for char in text[: 4 * MAX_TEXT])
    return " ".join(printable.split())[:MAX_TEXT]


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _ask_gateway(entries: list[FoundGateway]) -> FoundGateway:
    """Return the state from the first address that answers; else the data of the records."""
    for found in entries:
        host, _, port = found.address.removeprefix("http://").rpartition(":")
        status, health = ask(host, int(port), "/health")
        if status != 200 or not isinstance(health.get("engine"), dict):
            continue
        status, listed = ask(host, int(port), "/v1/models")
        return replace(with_health(found, health), **models_of(status, listed))
    return entries[0]


def with_health(found: FoundGateway, health: dict[str, Any]) -> FoundGateway:
    """Return `found` with the values of `/health`."""
    engine = health["engine"]
    waiting = engine.get("waiting")
    return replace(
        found,
        version=clean(health.get("version")) or found.version,
        state=clean(engine.get("state")) or "?",
        busy=engine.get("running") is True,
        waiting=waiting if type(waiting) is int and 0 <= waiting < 100_000 else None,
        simulated=health.get("simulated") is True,
    )


def models_of(status: int, listed: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `FoundGateway` from the list of models; empty without a list."""
    if status == 401:
        return {"needs_key": True}
    data = listed.get("data")
    if status != 200 or not isinstance(data, list):
        return {}
    names = [clean(one.get("id")) for one in data[:MAX_MODELS] if isinstance(one, dict)]
    return {"needs_key": False, "models": tuple(dict.fromkeys(filter(None, names)))}


def ask(
    host: str, port: int, path: str, *, limit_s: float = ASK_S, clock: Callable[[], float] = time.monotonic
) -> tuple[int, dict[str, Any]]:
    """Send one GET; return status and JSON object, or (0, {}) without an answer.

    It always ends after `limit_s`.
    """
    deadline = clock() + limit_s
    try:
        connection = http.client.HTTPConnection(host, port, timeout=limit_s)
        connection.connect()
    except OSError:
        return 0, {}
    # A server that sends single bytes would reset every limit on silence, so the whole exchange has a limit.
    watchdog = threading.Timer(max(0.0, deadline - clock()), _hang_up, [connection.sock])
    watchdog.daemon = True
    watchdog.start()
    try:
        connection.request("GET", path, headers={"Accept": "application/json", "Connection": "close"})
        response = connection.getresponse()
        data = b"".join(_limited(response))
        body = json.loads(data)
        return response.status, body if isinstance(body, dict) else {}
    except (OSError, ValueError, RecursionError, http.client.HTTPException):
        return 0, {}
    finally:
        watchdog.cancel()
        connection.close()


def _limited(response: http.client.HTTPResponse) -> Iterator[bytes]:
    left = MAX_BYTES
    while left > 0 and (data := response.read1(min(left, 65536))):
        left -= len(data)
        yield data


def _hang_up(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
