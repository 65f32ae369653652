"""Rewrites the path variants that clients send to the API's own paths, and ignores upgrades.

Chatbox and others join a host that may end in `/v1` with a path that may begin with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SLASHES = re.compile(r"/{2,}")
_VERSIONS = re.compile(r"^(?:/v1)+(?=/|$)")
#: Ollama's own paths, behind a host that was entered with OpenAI's `/v1`.
_OLLAMA = re.compile(r"^/v1(?=/api(?:/|$))")


class PathNormalizer:
    """WSGI middleware that gives each path one form.

    `/v1/v1/x`, `/v1/x/`, `//v1/x` and, for the API's own names, `/x` become `/v1/x`; `/v1/api/x` becomes `/api/x`.
    A worker has one, and calls it in the greenlet of each request.
    """

    def __init__(self, app: WSGIApplication, names: Iterable[str]) -> None:
        """`names` are the first path segments after `/v1/` that the API serves."""
        self._app = app
        self._names = frozenset(names)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on with the API's own path."""
        path: Any = environ.get("PATH_INFO", "")
        environ["PATH_INFO"] = self.canonical(path)
        # An upgrade may be ignored (RFC 9110, 7.8); werkzeug would look for a WebSocket route.
        environ.pop("HTTP_UPGRADE", None)
        return self._app(environ, start_response)

    def canonical(self, path: str) -> str:
        """Return the registered form of `path`; other targets (`*`, `host:port`) stay unchanged."""
        if not path.startswith("/"):
            return path
        path = _SLASHES.sub("/", path)
        path = path.rstrip("/") or "/"
        path = _OLLAMA.sub("", _VERSIONS.sub("/v1", path))
        return f"/v1{path}" if path.split("/")[1] in self._names else path


def api_names(rules: Iterable[str]) -> set[str]:
    """Return the first path segments after `/v1/` in `rules`, the application's routes."""
    return {rule.split("/")[2].partition("<")[0] for rule in rules if rule.startswith("/v1/")} - {""}
