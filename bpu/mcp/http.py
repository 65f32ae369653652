"""Serves MCP over HTTP at `/mcp`, on its own address.

The gateway's rules for keys, hosts and networks hold there. An ASGI application on asyncio in one process, which `bpu
mcp --http` runs until it is interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

from bpu.access_policy import Access, given_keys, host_name, is_private_client
from bpu.access_policy import access as rules_of
from bpu.errors import BpuError, Forbidden, InvalidApiKey
from bpu.mcp.server import BoardTools
from bpu.settings import Settings

PATH = "/mcp"
#: Idle sessions end after this.
IDLE_S = 1800.0
MAX_SESSIONS = 64
#: Limit for connections of all clients together.
MAX_CONNECTIONS = 256

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class AccessMiddleware:
    """ASGI middleware that refuses requests by host name, origin, network and key.

    Runs in the asyncio loop.
    """

    def __init__(self, app: App, access: Access, origins: tuple[str, ...] = ()) -> None:
        self._app = app
        self._access = access
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it in JSON; a WebSocket gets no answer."""
        if scope["type"] == "http" and (error := self._refusal(scope)) is not None:
            await _respond(error, send)
        elif scope["type"] in ("http", "lifespan"):
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> BpuError | None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if host and not self._access.accepts_host(host):
            return Forbidden(f"The host name {host_name(host)[:100]!r} is not one of this gateway's.")
        if (origin := headers.get("origin")) and not self._is_own(origin, host):
            return Forbidden(f"The origin {origin[:100]!r} is not in BPU_ALLOWED_ORIGINS.")
        client = scope["client"][0] if scope.get("client") else ""
        if self._access.needs_key:
            if not self._access.accepts_key(given_keys(headers.get("authorization", ""), headers.get("x-api-key", ""))):
                return InvalidApiKey("This server needs one of the gateway's API keys.")
        elif not is_private_client(client):
            return Forbidden("Without API keys only this machine and private networks are served.")
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether the origin is the server itself or named in the settings.

        `*` does not count here.
        """
        return origin.rstrip("/").lower() in self._origins or origin.lower() == f"http://{host.lower()}"


async def _respond(error: BpuError, send: Send) -> None:
    body = json.dumps({"error": {"message": error.message, "code": error.code}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def application(server: BoardTools, access: Access, *, origins: tuple[str, ...], max_body_bytes: int) -> App:
    """Wrap the library's ASGI application in `AccessMiddleware`, with the library's own check of hosts off."""
    inner: App = server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=max_body_bytes,
        session_idle_timeout=IDLE_S,
        max_sessions=MAX_SESSIONS,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    return AccessMiddleware(inner, access, origins)


def access(settings: Settings) -> Access:
    """Return the gateway's access rules, so that both accept the same keys. Raises `SettingsError`."""
    return rules_of(settings)


def serve(app: App, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM."""
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        proxy_headers=False,  # headers of a proxy could forge the client's address
        server_header=False,
        ws="none",
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=5,
    )
