"""Which web pages of other origins may read our answers (CORS). It never refuses a request by itself.

A foreign page gets no headers, so its browser keeps the answer from it, and since a body must be declared JSON
(`bpu.web.middleware.auth`) it cannot even send one without a preflight, which fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from flask import Flask
from flask_cors import CORS

#: Pages of the user's own machine, and programs that are no web page at all: none of these can be a stranger's site.
#: "null" is not here: a sandboxed frame of any site has it.
LOCAL = (
    r"https?://(?:localhost|[a-z0-9-]+\.localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?",
    r"(?:app|file|tauri|capacitor|ionic|vscode-file|vscode-webview)://[^/]*",
)
EXPOSED = (
    "x-request-id",
    "request-id",
    "retry-after",
    "x-bpu-simulated",
    "x-bpu-ignored",
    "x-bpu-answered-by",
    "x-bpu-history-trimmed",
    "x-bpu-resume",
)
MAX_AGE_S = 600


def install(app: Flask, allowed: Iterable[str]) -> None:
    """Answer the local origins and `allowed`: whole origins, `*` standing for any part of one."""
    CORS(
        app,
        origins=[re.compile(rf"(?:{pattern})\Z", re.IGNORECASE) for pattern in (*LOCAL, *map(_pattern, allowed))],
        allow_headers="*",
        expose_headers=list(EXPOSED),
        max_age=MAX_AGE_S,
        allow_private_network=True,
        always_send=False,
    )


def _pattern(origin: str) -> str:
    return "[^/]*".join(re.escape(part) for part in origin.rstrip("/").split("*")) if origin != "*" else ".*"
