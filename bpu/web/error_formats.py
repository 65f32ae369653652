"""The format of error bodies, by the API that a path belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Union

from werkzeug.datastructures import Headers

from bpu.chat import anthropic, ollama
from bpu.errors import BpuError

#: Makes the body of an error; the second argument is the id of the request.
ErrorFormat = Callable[[BpuError, str], Mapping[str, Any]]

#: Beginnings of paths behind `/v1`, and the header that must be there, too, where several APIs share a path.
FORMATS: tuple[tuple[str, str, ErrorFormat], ...] = (
    ("/api", "", ollama.error_body),
    ("/messages", "", anthropic.error_body),
    ("/complete", "", anthropic.error_body),
    ("/skills", "", anthropic.error_body),
    ("/models", "anthropic-version", anthropic.error_body),
    ("/files", "anthropic-version", anthropic.error_body),
)
_PREFIX = re.compile(r"^/*(?:v1/+)*")


def error_format(path: str, headers: Union[Headers, Mapping[str, str]]) -> ErrorFormat:
    """Return the error format that clients of `path` expect."""
    bare = f"/{_PREFIX.sub('', path)}/"
    for prefix, header, form in FORMATS:
        if bare.startswith(f"{prefix}/") and (not header or header in headers):
            return form
    return openai_error_body


def openai_error_body(error: BpuError, request_id: str) -> Mapping[str, Any]:
    """Return the body of an error in OpenAI's format."""
    return error.body()
