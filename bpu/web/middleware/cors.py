"""CORS headers for the web pages of other origins that may read answers.

It never refuses a request by itself. Without the headers a browser keeps the answer from a foreign page. Because a body
must be declared as JSON (`bpu.web.middleware.auth`), such a page cannot send one without a preflight, which fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from flask import Flask
from flask_cors import CORS

#: Origins of the user's own machine and of desktop programs, which no foreign site can have. "null" is left out,
#: because a sandboxed frame of any site has it.
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
    """Allow the local origins and `allowed`: whole origins, `*` standing for any part of one."""
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
