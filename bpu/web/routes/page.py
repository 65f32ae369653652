"""Serves the page, its static files, its status stream and the addresses.

The page is at `/`. It serves files and facts in memory; it never runs a job and never waits for the engine.
"""

from __future__ import annotations

import gzip
import mimetypes
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import segno
from flask import Blueprint, Response, jsonify, render_template, request, send_from_directory
from werkzeug.exceptions import NotFound

WEB = Path(__file__).parents[1]
#: Ollama's response at `/`, which programs compare to detect it.
OLLAMA_GREETING = "Ollama is running"
STATIC = WEB / "static"
SERVICE_WORKER = "service_worker.js"
_VERSION = re.compile(r"[0-9a-f]{12}")
_TEXT_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}

#: No inline script or style, no other origin, no frame, and no string that becomes script in the page's DOM.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types workers",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


def page_blueprint(
    open_status: Callable[[], Response],
    *,
    addresses: Callable[[], Sequence[str]] = tuple,
    models: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
) -> Blueprint:
    """Make the blueprint `page`: `/`, `/static/*`, `GET /v1/events` and `GET /v1/connect`.

    `open_status` opens a status stream. `addresses` returns the base addresses of this gateway in the network
    (`http://host:port`), the best first; `models` the entries of the model list (`id`, `context_length`). The
    application must have no static folder of its own, because this blueprint owns `/static/*`.
    """
    page = Blueprint("page", __name__, template_folder=str(WEB / "templates"))
    version = static_version()

    @page.get("/")
    def index() -> Response:
        if not _accepts_html():
            return Response(
                f"{OLLAMA_GREETING}\n", content_type="text/plain; charset=utf-8", headers={"Vary": "Accept"}
            )
        text = render_template("index.html", modules=_modules(), base=f"/static/{version}")
        response = Response(text, content_type="text/html; charset=utf-8")
        response.headers.update(HEADERS)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Vary"] = "Accept, Accept-Encoding"
        return _compress(response)

    @page.get("/static/<path:name>", endpoint="static")
    def static(name: str) -> Response:
        requested, _, rest = name.partition("/")
        name = rest if _VERSION.fullmatch(requested) else name
        response = send_from_directory(STATIC, name, conditional=False, max_age=0)
        response.direct_passthrough = False
        # Only a URL with this version may be cached without revalidation.
        cache = "public, max-age=31536000, immutable" if requested == version else "no-cache"
        response.headers.update({"Cache-Control": cache, "Vary": "Accept-Encoding"})
        # The page has fifty files, so unneeded headers are dropped.
        for header in ("Content-Disposition", "Expires", *(("ETag", "Last-Modified") if requested == version else ())):
            response.headers.pop(header, None)
        response.content_type = _content_type(name)
        if name.endswith(".svg"):  # the one type of file that could run script as a document of its own
            response.headers.update(HEADERS)
        if name == SERVICE_WORKER:
            response.headers["Service-Worker-Allowed"] = "/"
        response.make_conditional(request)
        return response if response.status_code == 304 else _compress(response)

    @page.get("/v1/events")
    def events() -> Response:
        return open_status()

    @page.get("/v1/connect")
    def connect() -> Response:
        base_url = request.host_url.rstrip("/")
        bases = list(dict.fromkeys([*addresses(), base_url]))
        entries = [{"url": base, "qr": qr_code(base)} for base in bases]
        return jsonify({"here": base_url, "addresses": entries, "models": list(models())})

    return page


def _accepts_html() -> bool:
    """Whether the client is a browser.

    Programs that look for Ollama name no HTML in `Accept`.
    """
    return "text/html" in request.headers.get("Accept", "")


@lru_cache(maxsize=64)
def qr_code(text: str) -> str:
    """Make a QR code of `text` as an SVG data URI.

    It is dark on white in both themes.
    """
    return segno.make(text, error="m", micro=False).svg_data_uri(scale=4, border=3, dark="#111", light="#fff")


def _modules() -> list[str]:
    """List the ES modules of the first load, for the browser to fetch in parallel."""
    own = sorted(path.name for path in STATIC.glob("*.js") if not path.name.endswith(("theme.js", "_worker.js")))
    return [*own, "vendor/marked.js"]


def _content_type(name: str) -> str:
    """Return the content type; not from the system's table alone, because some call JavaScript text/plain."""
    suffix = Path(name).suffix
    if suffix == ".png":
        return "image/png"
    kind = _TEXT_TYPES.get(suffix) or mimetypes.guess_type(name)[0]
    if kind is None:
        raise NotFound
    return f"{kind}; charset=utf-8"


@lru_cache(maxsize=1)
def static_version() -> str:
    """Return a digest of all files of the page, for their URLs."""
    digest = sha256()
    for path in sorted(path for path in STATIC.rglob("*") if path.is_file()):
        digest.update(path.relative_to(STATIC).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _compress(response: Response) -> Response:
    """Compress for clients that accept gzip, because a board's network is often slow."""
    if request.accept_encodings["gzip"] > 0 and request.method == "GET" and response.mimetype != "image/png":
        response.set_data(_gzipped(response.get_data()))
        response.headers["Content-Encoding"] = "gzip"
    return response


@lru_cache(maxsize=128)
def _gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)
