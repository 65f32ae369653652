"""Defines all errors that are reported to clients and users.

Each has an HTTP status, OpenAI's type and code, and an exit code.

    BpuError
        BadRequest: ContextLengthExceeded, ModelNotFound, UnsupportedEndpoint
        InvalidApiKey, Forbidden
        QueueFull, QueueTimeout, ClientLimitReached
        EngineUnavailable, EngineStopping, EngineCrashed, EngineTimeout
        AnswerUnfit: ToolCallUnfit
        JobCancelled, ClientLeft
        SettingsError

A message names the state, the cause and the remedy. Clients rely on the codes. A permanent problem is never a 5xx,
because clients retry those and lose the body.
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
    """Base class of all errors reported to a client.

    `message` is one or more whole sentences for a person.
    """

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
        #: Whole seconds from 1 to 60, which clients obey.
        self.retry_after = None if retry_after is None else max(1, min(60, math.ceil(retry_after)))

    def body(self) -> dict[str, Any]:
        """Return the error in OpenAI's format: `{"error": {"message", "type", "param", "code"}}`."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class BadRequest(BpuError):
    """The request is wrong and must not be sent again unchanged. `param` names the field."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_value"
    exit_code = 2


class ContextLengthExceeded(BadRequest):
    """The conversation does not fit the model's context. The message is OpenAI's, which clients recognise.

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
        """Make the error for `tokens` tokens, template included, in a context of `limit` tokens."""
        return cls(f"This model's maximum context length is {limit} tokens.", param="messages")._of(
            limit, tokens, "tokens"
        )

    @classmethod
    def bytes(cls, limit: int, size: int, tokens_limit: int) -> ContextLengthExceeded:
        """Make the error for a prompt of `size` bytes as one line.

        The console reads at most `limit` bytes as one.
        """
        return cls(
            f"This model's maximum context length is {tokens_limit} tokens, and its console reads one line of "
            f"{limit} bytes at most.",
            param="messages",
        )._of(limit, size, "bytes")

    def with_tools(self, size: int) -> ContextLengthExceeded:
        """Return this error with the part that the tools take, in OpenAI's words."""
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
    """The request has no key, or one that is not in `BPU_API_KEYS`."""

    status = 401
    type = "authentication_error"
    code = "invalid_api_key"


class Forbidden(BpuError):
    """The client's network needs a key, or the request's host name is not allowed."""

    status = 403
    type = "permission_error"
    code = "forbidden"


class ModelNotFound(BadRequest):
    """The request names a model that is not served here.

    The message lists those that are.
    """

    status = 404
    code = "model_not_found"
    #: The name that the client sent.
    model = ""

    @classmethod
    def named(cls, model: str, served: Iterable[str]) -> ModelNotFound:
        """Make the error for a request that names `model` while the models `served` exist."""
        error = cls(
            f"The model `{model[:100]}` does not exist. This gateway serves {' and '.join(served)}.", param="model"
        )
        error.model = model[:100]
        return error


class UnsupportedEndpoint(BadRequest):
    """The API has this endpoint, but the gateway cannot serve it.

    Its status is not a 5xx, because clients would retry.
    """

    status = 404
    code = "unsupported_endpoint"


class QueueFull(BpuError):
    """The queue has reached `BPU_QUEUE_LIMIT`; `retry_after` estimates when a place is free."""

    status = 429
    type = "rate_limit_error"
    code = "queue_full"


class QueueTimeout(BpuError):
    """The job has waited for `BPU_QUEUE_TIMEOUT_S` without beginning."""

    status = 503
    code = "queue_timeout"


class ClientLimitReached(BpuError):
    """One client address has more connections open than `BPU_CLIENT_CONNECTIONS`."""

    status = 429
    type = "rate_limit_error"
    code = "too_many_connections"


class Overloaded(BpuError):
    """A worker has no room for this request at the moment.

    It has too many connections, streams or bodies under way.
    """

    status = 503
    code = "overloaded"


class EngineUnavailable(BpuError):
    """The engine cannot run until a person acts.

    The cause is memory, a file, a library, an option or another holder.
    """

    status = 424
    code = "engine_unavailable"
    exit_code = 3


class EngineStopping(BpuError):
    """The engine is unavailable for now, because of earlier failures or a stop.

    `retry_after` says how long.
    """

    status = 503
    code = "engine_unavailable"
    exit_code = 3


class EngineCrashed(BpuError):
    """The console has ended, reported an error or got out of sync.

    It is restarted for the next job.
    """

    status = 502
    code = "engine_crashed"
    exit_code = 3


class AnswerUnfit(BpuError):
    """The model's answer does not have the requested format.

    Its status is not a 5xx, because clients would retry at once. `output` is the model's text, so that the client can
    repair it. It is sent to this client only (`error.output`) and must not be logged.
    """

    status = 422
    type = "invalid_request_error"
    code = "response_format_failed"

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(message)
        self.output = output

    def body(self) -> dict[str, Any]:
        """Return the error as JSON values, with the model's own words in `output`."""
        body = super().body()
        if self.output:
            body["error"]["output"] = self.output
        return body


class ToolCallUnfit(AnswerUnfit):
    """The arguments of a call of a `strict` tool do not fit its schema."""

    code = "tool_call_failed"


class EngineTimeout(BpuError):
    """The console was silent for too long, in a load or in a turn.

    It was silent for longer than the settings allow.
    """

    status = 504
    code = "engine_timeout"
    exit_code = 3


class JobCancelled(BpuError):
    """The job was cancelled by its id. Not a 409, because clients would retry."""

    status = 499
    code = "job_cancelled"


class SettingsError(BpuError):
    """The settings are invalid. The message lists every mistake with its remedy."""

    status = 424
    code = "invalid_settings"
    exit_code = 2


class ClientLeft(BpuError):
    """The client has closed its connection; only the log shows this error."""

    status = 499
    code = "client_left"
