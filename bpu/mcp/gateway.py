"""An asyncio client of the gateway: streamed answers, models, status, loading, cancelling.

Cancelling the task that iterates `chat` closes the connection, which frees the job.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx2

CONNECT_S = 10.0
#: Gateways send a keep-alive every few seconds while a client waits.
SILENCE_S = 300.0
#: The most bytes that are used of an answer that is not streamed.
MAX_BYTES = 4 << 20

Body = dict[str, Any]


class GatewayError(Exception):
    """The gateway refused, broke off or cannot be reached.

    The message is for the calling agent.
    """


class GatewayClient:
    """A client of one gateway, for one asyncio loop. `base` is `scheme://host:port[/path]` without `/v1`."""

    def __init__(self, base: str, key: str = "", *, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.base = base
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._transport = transport

    async def models(self) -> list[Body]:
        """Return the models that the gateway lists, the default one first. Raises `GatewayError`."""
        found = (await self.request("GET", "/v1/models")).get("data")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    async def request(self, method: str, path: str, body: Body | None = None) -> Body:
        """Send one request and return its JSON. Raises `GatewayError`."""
        async with self._client(CONNECT_S) as client:
            try:
                response = await client.request(method, path, json=body)
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
                raise self._unreachable(error) from error
            if response.status_code >= 300:
                raise _refusal(_object(response.content), response.status_code)
            return _object(response.content[:MAX_BYTES])

    async def chat(self, body: Body, on_job: Callable[[str], None] = lambda job: None) -> AsyncGenerator[str, None]:
        """Yield an answer's text; "" is a keep-alive. `on_job` gets the job's id. Raises `GatewayError`."""
        sent = {**body, "stream": True}
        try:
            async with (
                self._client(SILENCE_S) as client,
                client.stream("POST", "/v1/chat/completions", json=sent) as response,
            ):
                if response.status_code >= 300:
                    raise _refusal(_object(await response.aread()), response.status_code)
                on_job(response.headers.get("x-request-id", ""))
                finished = False
                async for line in response.aiter_lines():
                    if line.startswith("data: [DONE]"):
                        break
                    if not line.startswith("data: "):
                        continue
                    data = _object(line[6:].encode())
                    if data.get("error"):
                        raise _refusal(data, 200)
                    for choice in data.get("choices") or ():
                        finished = finished or bool(choice.get("finish_reason"))
                        yield (choice.get("delta") or {}).get("content") or ""
                if not finished:
                    raise GatewayError("The answer broke off.")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise self._unreachable(error) from error

    def _client(self, silence_s: float) -> httpx2.AsyncClient:
        # Proxy variables are ignored, because the board is on the local network.
        return httpx2.AsyncClient(
            base_url=self.base,
            headers=self._headers,
            timeout=httpx2.Timeout(silence_s, connect=CONNECT_S),
            trust_env=False,
            transport=self._transport,
        )

    def _unreachable(self, error: Exception) -> GatewayError:
        return GatewayError(f"The gateway at {self.base} does not answer: {error or type(error).__name__}")


def _refusal(body: Body, status: int) -> GatewayError:
    error = body.get("error")
    message = error.get("message") if isinstance(error, dict) else None
    return GatewayError(str(message) if message else f"The gateway answered with status {status}.")


def _object(data: bytes) -> Body:
    try:
        body = json.loads(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
