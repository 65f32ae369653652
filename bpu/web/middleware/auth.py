"""Checks host name, network, key and content type of each request before its view.

It applies the rules of `bpu.access_policy` to Flask's requests. It must not read a body.
"""

from __future__ import annotations

import logging

from flask import Flask, Response, g, request
from werkzeug.exceptions import UnsupportedMediaType

from bpu.access_policy import Access, given_keys, host_name, is_private_client
from bpu.errors import BadRequest, Forbidden, InvalidApiKey
from bpu.web import request_log
from bpu.web.error_handlers import respond

log = logging.getLogger("bpu.web")

#: Served without a key, because the page asks for the key itself and a supervisor has none.
KEYLESS_PATHS = frozenset({"/", "/health", "/ready"})
#: Headers that proxies add; one from an untrusted peer means a proxy that the settings do not name.
PROXY_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED")
ALLOWED = "GET, HEAD, OPTIONS, POST"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class NotAProxy(BadRequest):
    """The request asks for a tunnel (CONNECT)."""

    status = 405
    code = "method_not_allowed"


def install(app: Flask, access: Access) -> None:
    """Check the rules of `access` before every view of `app`."""
    warned: list[str] = []

    @app.before_request
    def check_access() -> Response | None:
        if request.method == "CONNECT":
            return _refuse_proxy_use()
        peer = request.environ.get("REMOTE_ADDR") or ""
        forwarded_for = request.headers.get("X-Forwarded-For", "")
        client = access.client(peer, forwarded_for)
        request_log.current().client = client or "unix"
        _check_host(access, peer)
        if not access.needs_key:
            _check_network(client)
            if not warned and _is_proxied() and not access.trusts(peer):
                warned.append(peer)
                log.warning(
                    "Requests come through a proxy at %s that is not in BPU_TRUSTED_PROXIES, so every client looks "
                    "local. Name the proxy there, or set BPU_API_KEYS.",
                    peer or "a unix socket",
                )
        if request.method == "OPTIONS":
            return _answer_options(app)
        g.has_key = _has_key(access)
        if not g.has_key and not _is_open(request.path):
            raise InvalidApiKey(
                "This gateway needs an API key, and none or a wrong one was sent. Send `Authorization: Bearer <key>` "
                "with one of the keys that are set in BPU_API_KEYS or in the file that BPU_API_KEYS_FILE names."
            )
        _check_content_type()
        return None

    @app.after_request
    def add_security_headers(response: Response) -> Response:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("X-Frame-Options", "DENY")
        return response


def _is_proxied() -> bool:
    return any(name in request.environ for name in PROXY_HEADERS)


def _check_host(access: Access, peer: str) -> None:
    """Check `Host`, and `X-Forwarded-Host` of a trusted proxy.

    HTTP/1.0 has none, but no browser sends it.
    """
    hosts = [request.environ.get("HTTP_HOST", "")]
    if access.trusts(peer):
        hosts += request.headers.get("X-Forwarded-Host", "").split(",")
    for host in filter(None, map(str.strip, hosts)):
        if not access.accepts_host(host):
            raise Forbidden(
                f"The host name {host_name(host)[:100]!r} is not one of this gateway's. Use its address, or add "
                "the name to BPU_ALLOWED_HOSTS."
            )


def _check_network(client: str) -> None:
    if not is_private_client(client):
        raise Forbidden(
            f"Without API keys only this machine and private networks are served, and {client[:100]} is neither. "
            "Set BPU_API_KEYS on the gateway, and send one of the keys as `Authorization: Bearer <key>`."
        )


def _has_key(access: Access) -> bool:
    """Whether the request has a key, or none is needed."""
    given = given_keys(request.headers.get("Authorization", ""), request.headers.get("X-Api-Key", ""))
    return not access.needs_key or access.accepts_key(given)


def _is_open(path: str) -> bool:
    return path in KEYLESS_PATHS or path.startswith("/static/")


def _check_content_type() -> None:
    """Require JSON from web pages, because it makes a browser send a preflight."""
    if request.method not in SAFE_METHODS and request.headers.get("Origin") and not request.is_json:
        raise UnsupportedMediaType(
            "A request with an `Origin` header must be declared as JSON: send `Content-Type: application/json`."
        )


def _refuse_proxy_use() -> Response:
    """Answer 405 to a program that uses the gateway as a proxy."""
    message = "This gateway is no proxy. Take its address out of the proxy settings of the program that asks."
    response = respond(NotAProxy(message))
    response.headers["Allow"] = ALLOWED
    return response


def _answer_options(app: Flask) -> Response | None:
    """Answer 204 for any existing path, and for the server itself (`*`, RFC 9110, 9.3.7).

    Returns None for an unknown path, which then gets its 404.
    """
    if request.environ.get("PATH_INFO") == "*":
        return Response(status=204, headers={"Allow": ALLOWED})
    methods = app.url_map.bind("").allowed_methods(request.path)
    if not methods:
        return None
    return Response(status=204, headers={"Allow": ", ".join(sorted(methods))})
