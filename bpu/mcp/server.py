"""The tools of the board: chat, describe_image, list_models, load_model, board_status, cancel.

`describe_image` and `load_model` are listed only while `/v1/models` has a model for them: one whose
`architecture.input_modalities` has "image" (or whose `capabilities` has "vision"), and one with `aliases`.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import Tool
from pydantic import Field

from bpu import __version__
from bpu.mcp.gateway import Body, GatewayClient, GatewayError

INSTRUCTIONS = (
    "A small language model that runs on the BPU of a D-Robotics RDK board. It answers one question at a time, a few "
    "dozen tokens a second, within a context of a few thousand tokens (list_models says how many): keep prompts short. "
    "It keeps nothing between calls."
)
#: The least time between two progress notifications of a call.
PROGRESS_S = 1.0
#: The most bytes of an image; the gateway takes 16 MiB of a body with images, and base64 adds a third.
MAX_IMAGE_BYTES = 12_000_000
_IMAGES = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png"}
_DATA_URI = re.compile(r"data:image/(?:jpeg|png);base64,([A-Za-z0-9+/=\s]+)")
#: Tools that need an ability, by the name that `abilities_of` gives it.
_NEEDS = {"describe_image": "image", "load_model": "load"}
#: The connection's name on a transport with a single connection.
ONLY_CONNECTION = ""

Ctx = Context[Any, Any]
Prompt = Annotated[str, Field(min_length=1, description="The question or task, with everything that is needed for it")]
Model = Annotated[str, Field(description="A model of list_models; empty for the first one")]
MaxTokens = Annotated[int, Field(ge=1, le=4096, description="The most tokens of the answer, reasoning included")]


class BoardTools(MCPServer[Any]):
    """One MCP server in front of one gateway. `paths`: images may be named by a path of this machine."""

    def __init__(self, gateway: GatewayClient, *, paths: bool) -> None:
        super().__init__("rdk-bpu", instructions=INSTRUCTIONS, version=__version__, log_level="WARNING")
        self._gateway = gateway
        self._paths = paths
        #: Ids of running jobs by connection, so that a connection cancels only its own jobs.
        self._jobs: defaultdict[str, set[str]] = defaultdict(set)
        for tool in (
            self.chat,
            self.describe_image,
            self.list_models,
            self.load_model,
            self.board_status,
            self.cancel,
        ):
            self.add_tool(tool, structured_output=False)

    async def list_tools(self) -> list[Tool]:
        """The tools that the gateway can serve now."""
        try:
            abilities = await self._abilities()
        except GatewayError:
            abilities = set()
        return [tool for tool in await super().list_tools() if _NEEDS.get(tool.name, "") in {"", *abilities}]

    async def chat(
        self, prompt: Prompt, ctx: Ctx, system: str = "", model: Model = "", max_tokens: MaxTokens = 1024
    ) -> str:
        """Ask the language model on the board, and wait for its whole answer (its reasoning is left out).

        Good for short questions, summaries, translations and classifications that should stay on the board.
        """
        messages = [{"role": "system", "content": system}] if system else []
        return await self._answer([*messages, {"role": "user", "content": prompt}], model, max_tokens, ctx)

    async def describe_image(
        self,
        image: Annotated[str, Field(description="A data URI of a JPEG or PNG, or (over stdio) the path of one")],
        ctx: Ctx,
        question: str = "Describe this image.",
        model: Model = "",
        max_tokens: MaxTokens = 512,
    ) -> str:
        """Let the vision model on the board look at an image, and answer a question about it."""
        await self._require("image", "No model of this gateway sees images.")
        url = {"url": image_uri(image, paths=self._paths)}
        content = [{"type": "image_url", "image_url": url}, {"type": "text", "text": question}]
        return await self._answer([{"role": "user", "content": content}], model, max_tokens, ctx)

    async def list_models(self) -> list[Body]:
        """The models of the board: names, context in tokens, and what else the gateway says of them."""
        with _tool_errors():
            return await self._gateway.models()

    async def load_model(self, model: Annotated[str, Field(min_length=1)]) -> Body:
        """Order a model to be loaded; returns at once. board_status says when it is ready."""
        await self._require("load", "This gateway has one model alone.")
        with _tool_errors():
            return _summary(await self._gateway.request("POST", "/v1/engine/load", {"model": model}))

    async def board_status(self) -> Body:
        """How the board is: the state of the model, jobs that wait, the last error and what to do about it."""
        with _tool_errors():
            return _summary(await self._gateway.request("GET", "/health"))

    async def cancel(
        self, ctx: Ctx, job: Annotated[str, Field(description="Empty for all jobs of this connection")] = ""
    ) -> Body:
        """Cancel jobs that this connection has started; the calls that wait for them end with an error."""
        own = self._jobs.get(connection_of(ctx), set())
        wanted = {job} & own if job else set(own)
        if job and not wanted:
            raise ToolError("No job of this connection has that id.")
        cancelled = []
        for one in sorted(wanted):
            with contextlib.suppress(GatewayError):  # it may have ended in this moment
                await self._gateway.request("POST", f"/v1/jobs/{quote(one, safe='')}/cancel", {})
                cancelled.append(one)
        return {"cancelled": cancelled}

    async def _answer(self, messages: list[Body], model: str, max_tokens: int, ctx: Ctx) -> str:
        connection = connection_of(ctx)
        started: list[str] = []

        def on_job(job: str) -> None:
            started.append(job)
            self._jobs[connection].add(job)

        text, reported_at = "", time.monotonic()
        try:
            with _tool_errors():
                name = model or await self._first_model()
                body = {"model": name, "messages": messages, "max_tokens": max_tokens}
                async with contextlib.aclosing(self._gateway.chat(body, on_job)) as parts:
                    async for part in parts:
                        text += part
                        if time.monotonic() - reported_at >= PROGRESS_S:
                            reported_at = time.monotonic()
                            state = f"{len(text)} characters" if text else "waiting"
                            await ctx.report_progress(len(text), message=f"job {started[0]}: {state}")
        finally:
            if connection in self._jobs:
                self._jobs[connection].difference_update(started)
                if not self._jobs[connection]:
                    del self._jobs[connection]
        return text

    async def _abilities(self) -> set[str]:
        return {ability for model in await self._gateway.models() for ability in abilities_of(model)}

    async def _require(self, ability: str, otherwise: str) -> None:
        """Raise `ToolError` without the ability, because a client may call a tool that is not listed."""
        with _tool_errors():
            if ability not in await self._abilities():
                raise ToolError(otherwise)

    async def _first_model(self) -> str:
        models = await self._gateway.models()
        if not models:
            raise GatewayError("The gateway lists no model.")
        return str(models[0].get("id"))


@contextlib.contextmanager
def _tool_errors() -> Iterator[None]:
    """Convert the gateway's errors to tool errors, whose message the calling model reads."""
    try:
        yield
    except GatewayError as error:
        raise ToolError(str(error)) from error


def connection_of(ctx: Ctx) -> str:
    """Return the id of the client's session; stdio has a single one.

    A client of the stateless protocol has no session, so each of its requests counts as a connection.
    """
    headers = ctx.headers
    if headers is None:
        return ONLY_CONNECTION
    return headers.get("mcp-session-id") or f"request {id(ctx.request_context)}"


def abilities_of(model: Body) -> set[str]:
    """Return a model's abilities: "image" if it accepts images, "load" if it is in a table of models."""
    architecture = model.get("architecture")
    inputs = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    capabilities = model.get("capabilities")
    sees = (isinstance(inputs, list) and "image" in inputs) or (
        isinstance(capabilities, (list, dict)) and "vision" in capabilities
    )
    return {*(["image"] if sees else []), *(["load"] if "aliases" in model else [])}


def image_uri(image: str, *, paths: bool) -> str:
    """Return `image` as a checked data URI. Raises `ToolError`."""
    if found := _DATA_URI.fullmatch(image):
        try:
            data = base64.b64decode("".join(found[1].split()), validate=True)
        except (binascii.Error, ValueError):
            raise ToolError("The data of the image is not base64.") from None
    elif image.startswith("data:"):
        raise ToolError("The image must be a data URI of a JPEG or PNG in base64.")
    elif not paths:
        raise ToolError("Over HTTP an image must be a data URI; a path would be one of the board.")
    else:
        data = _read(Path(image))
    if len(data) > MAX_IMAGE_BYTES:
        raise ToolError(f"The image is too large: at most {MAX_IMAGE_BYTES} bytes are taken.")
    kind = next((kind for signature, kind in _IMAGES.items() if data.startswith(signature)), None)
    if kind is None:
        raise ToolError("The image is neither JPEG nor PNG.")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _read(path: Path) -> bytes:
    try:
        path = path.expanduser()
        if not path.is_file():  # a pipe or a device would never end
            raise ToolError(f"There is no file {str(path)[:200]!r}.")
        with path.open("rb") as file:
            return file.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~` with an unknown user
        raise ToolError(f"The image cannot be read: {error}") from error


def _summary(health: Body) -> Body:
    """Return the fields of `/health` for an agent, without the console's log lines."""
    engine = health.get("engine")
    found = engine if isinstance(engine, dict) else {}
    kept = {name: health.get(name) for name in ("status", "version", "model", "context_length", "simulated")}
    state = {name: found.get(name) for name in ("state", "running", "waiting")}
    return {**kept, **state, "error": health.get("error"), "remedy": health.get("remedy")}
