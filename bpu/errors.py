"""Every error that a person meets: each knows its HTTP status, its OpenAI type and code, and its exit code.

A message names the state, the cause and what to do about it. The table is the one clients rely on:
a permanent problem is never a 5xx, because clients retry those and lose the body.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

#: What to do when a worker and the keeper cannot use the files that they share.
STATE_FOLDER_REMEDY = (
    "The gateway tries again by itself. If this comes back, make sure that the state folder (BPU_STATE_DIR) is a "
    "folder that the gateway's user can write and that nothing removes or replaces its files, or set another one."
)


class BpuError(Exception):
    """The base of all errors with a face. `message` is one or more whole sentences for a person."""

    status = 500
    type = "server_error"
    code = "internal_error"
    exit_code = 1

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code
        #: Whole seconds, at most 60: what clients obey.
        self.retry_after = None if retry_after is None else max(1, min(60, math.ceil(retry_after)))

    def body(self) -> dict[str, Any]:
        """The error as OpenAI shapes it: `{"error": {"message", "type", "param", "code"}}`."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class BadRequest(BpuError):
    """The request is wrong as it stands; sending it again cannot help. `param` names the field."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_value"
    exit_code = 2


class ContextLengthExceeded(BadRequest):
    """The conversation does not fit the model's context. The words are OpenAI's: five clients recognise them.

    `size` and `limit` count `unit`: the tokens of the prompt and the context, or the bytes of a line. `prompt_tokens`
    is the whole prompt, of which `fitting_tokens` would fit; 0 while they are not known.
    """

    code = "context_length_exceeded"
    limit = 0
    size = 0
    unit = "tokens"
    prompt_tokens = 0
    fitting_tokens = 0

    @classmethod
    def tokens(cls, limit: int, tokens: int) -> ContextLengthExceeded:
        """Of a context of `limit` tokens and messages of `tokens` tokens, the template included."""
        return cls(f"This model's maximum context length is {limit} tokens.", param="messages")._of(
            limit, tokens, "tokens"
        )

    @classmethod
    def bytes(cls, limit: int, size: int, tokens_limit: int) -> ContextLengthExceeded:
        """Of a console that reads `limit` bytes at most as one line, and a prompt of `size` bytes."""
        return cls(
            f"This model's maximum context length is {tokens_limit} tokens, and its console reads one line of "
            f"{limit} bytes at most.",
            param="messages",
        )._of(limit, size, "bytes")

    def with_tools(self, size: int) -> ContextLengthExceeded:
        """Return this error with the part of the prompt that describes the tools, in OpenAI's words."""
        parts = f" ({self.size - size} in the messages, {size} in the functions)."
        self.message = self.message.replace(f" {self.unit}. Please", f" {self.unit}{parts} Please").replace(
            "length of the messages.", "length of the messages or functions."
        )
        self.args = (self.message,)
        return self

    def _of(self, limit: int, size: int, unit: str) -> ContextLengthExceeded:
        self.limit, self.size, self.unit = limit, size, unit
        self.message += f" However, your messages resulted in {size} {unit}. Please reduce the length of the messages."
        self.args = (self.message,)
        return self


class InvalidApiKey(BpuError):
    """The key that was sent is none of `BPU_API_KEYS`, or none was sent."""

    status = 401
    type = "authentication_error"
    code = "invalid_api_key"


class Forbidden(BpuError):
    """Neither key nor network lets this client in, or the host name is a stranger's."""

    status = 403
    type = "permission_error"
    code = "forbidden"


class ModelNotFound(BadRequest):
    """The request names a model that is not served here; the message lists those that are."""

    status = 404
    code = "model_not_found"
    #: The name that the client sent.
    model = ""

    @classmethod
    def named(cls, model: str, served: Iterable[str]) -> ModelNotFound:
        """Of a request for `model` where the models `served` are."""
        error = cls(
            f"The model `{model[:100]}` does not exist. This gateway serves {' and '.join(served)}.", param="model"
        )
        error.model = model[:100]
        return error


class UnsupportedEndpoint(BadRequest):
    """A part of an API that one language model on a BPU cannot serve. No 5xx: clients would ask again."""

    status = 404
    code = "unsupported_endpoint"


class QueueFull(BpuError):
    """More would wait than `BPU_QUEUE_LIMIT`; `retry_after` says when it may be worth another try."""

    status = 429
    type = "rate_limit_error"
    code = "queue_full"


class QueueTimeout(BpuError):
    """The job had waited `BPU_QUEUE_TIMEOUT_S` and had not begun."""

    status = 503
    code = "queue_timeout"


class ClientLimitReached(BpuError):
    """One client address has more connections open than `BPU_CLIENT_CONNECTIONS`."""

    status = 429
    type = "rate_limit_error"
    code = "too_many_connections"


class Overloaded(BpuError):
    """A worker has no room for this request at the moment: connections, streams or bodies under way."""

    status = 503
    code = "overloaded"


class EngineUnavailable(BpuError):
    """The engine cannot run until a person acts: memory, a file, a library, an option, another holder."""

    status = 424
    code = "engine_unavailable"
    exit_code = 3


class EngineStopping(BpuError):
    """For the moment there is no engine: the breaker is open, or the gateway stops. `retry_after` says when."""

    status = 503
    code = "engine_unavailable"
    exit_code = 3


class EngineCrashed(BpuError):
    """The console ended, printed an error of its own, or what cannot be. The next job has a new one."""

    status = 502
    code = "engine_crashed"
    exit_code = 3


class AnswerUnfit(BpuError):
    """The model's answer is not of the form that the client asked for. No 5xx: clients would send it again at once.

    `output` is what the model wrote, so that a client can repair it. It belongs into this client's body alone
    (`error.output`), never into a log.
    """

    status = 422
    type = "invalid_request_error"
    code = "response_format_failed"

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(message)
        self.output = output

    def body(self) -> dict[str, Any]:
        body = super().body()
        if self.output:
            body["error"]["output"] = self.output
        return body


class ToolCallUnfit(AnswerUnfit):
    """The model called a tool with `strict: true` by arguments that do not fit the tool's schema."""

    code = "tool_call_failed"


class EngineTimeout(BpuError):
    """The console said nothing for longer than the settings allow: at loading, before or after the first token."""

    status = 504
    code = "engine_timeout"
    exit_code = 3


class JobCancelled(BpuError):
    """The job was cancelled by its id. No 409: clients would ask again."""

    status = 499
    code = "job_cancelled"


class SettingsError(BpuError):
    """The settings cannot work. The message lists every mistake at once, each with its remedy."""

    status = 424
    code = "invalid_settings"
    exit_code = 2


class ClientLeft(BpuError):
    """Nobody is there to read it: for the log alone."""

    status = 499
    code = "client_left"
