"""The board as a tool, tried with the official client: over standard input and output, and over HTTP."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import click
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver.exceptions import ToolError

from bpu.cli.mcp import _parse_address
from bpu.mcp.gateway import GatewayClient
from bpu.mcp.server import MAX_IMAGE_BYTES, BoardTools, abilities_of, image_uri
from tests.live.gateway import ROOT, Gateway, running, sim
from tests.live.wire import say
from tests.support.ports import reserve_port
from tests.support.waits import until

pytestmark = [pytest.mark.live, pytest.mark.long]

KEY = "key-1"
ALWAYS = ["board_status", "cancel", "chat", "list_models"]
JPEG = b"\xff\xd8\xff\xe0rest"
LONG = sim("讲个故事", tokens=4000, think=0, rate=100)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("mcp")) as started:
        yield started


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BPU_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def stdio(gateway: Gateway) -> StdioServerParameters:
    words = ["-m", "bpu", "mcp", "--url", gateway.url]
    return StdioServerParameters(command=sys.executable, args=words, env=environment(), cwd=ROOT)


@contextmanager
def served(gateway: Gateway, *words: str, host: str = "127.0.0.1", **env: str) -> Iterator[str]:
    """`bpu mcp --http` in a process of its own; its address."""
    port = reserve_port()
    command = [sys.executable, "-m", "bpu", "mcp", "--url", gateway.url, "--http", f"{host}:{port}", *words]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(**{"BPU_MCP": "1", **env}), stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: _listens(port) or process.poll() is not None, seconds=60)
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.communicate(timeout=15)


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def text_of(result: Any) -> str:
    assert not result.is_error, result
    return str(result.content[0].text)


def first_text(result: Any) -> str:
    return str(result.content[0].text)


def check_conversation(server: Any, conversation: Callable[[Client], Awaitable[None]], **options: Any) -> None:
    """Run `conversation` with a client that is connected to `server`."""

    async def run() -> None:
        with anyio.fail_after(60):
            async with Client(server, **options) as client:
                await conversation(client)

    anyio.run(run)


async def everything(client: Client) -> None:
    """What every transport must do."""
    assert sorted(tool.name for tool in (await client.list_tools()).tools) == [*ALWAYS, "load_model"]
    assert text_of(await client.call_tool("chat", {"prompt": say("Secret.</think>你好，world 🎉")})) == "你好，world 🎉"
    listed: list[Any] = (await client.call_tool("list_models")).content
    models = [json.loads(part.text) for part in listed]
    assert models[0]["id"] == "deepseek-r1:1.5b"
    assert models[0]["context_length"] == 4096
    status = json.loads(text_of(await client.call_tool("board_status")))
    # After an answer the console is emptied, or examined, without a job.
    assert status["state"] in ("ready", "busy", "checking")
    assert (status["simulated"], status["waiting"]) == (True, 0)
    assert "log" not in json.dumps(status)
    refused = await client.call_tool("chat", {"prompt": "word " * 9000})
    assert refused.is_error
    assert "maximum context length" in first_text(refused)
    for arguments in ({}, {"prompt": ""}, {"prompt": 5}, {"prompt": "x", "max_tokens": 0}):
        assert (await client.call_tool("chat", arguments)).is_error
    hidden = await client.call_tool("describe_image", {"image": "/etc/hostname"})
    assert hidden.is_error
    assert "this gateway" in first_text(hidden).lower()
    unknown = await client.call_tool("load_model", {"model": "x"})
    assert unknown.is_error
    assert "deepseek-r1:1.5b" in first_text(unknown)
    crashed = await client.call_tool("chat", {"prompt": sim("x", fault="signal", after=5)})
    assert crashed.is_error
    assert text_of(await client.call_tool("chat", {"prompt": say("</think>Again.")})) == "Again."


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_over_standard_input_and_output(gateway: Gateway, mode: Any) -> None:
    check_conversation(stdio(gateway), everything, mode=mode)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_over_http(gateway: Gateway, mode: Any) -> None:
    with served(gateway) as url:
        check_conversation(url, everything, mode=mode)


def running_jobs(gateway: Gateway) -> list[str]:
    return [slot["job"]["id"] for slot in gateway.slots()["slots"] if slot["job"]]


async def until_async(condition: Callable[[], Any]) -> Any:
    return await anyio.to_thread.run_sync(lambda: until(condition))


async def cancels(client: Client, gateway: Gateway) -> None:
    messages: list[str | None] = []

    async def ask(results: list[Any]) -> None:
        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            messages.append(message)

        results.append(await client.call_tool("chat", {"prompt": LONG}, progress_callback=on_progress))

    results: list[Any] = []
    async with anyio.create_task_group() as group:
        group.start_soon(ask, results)
        await until_async(lambda: messages)
        (job,) = running_jobs(gateway)
        assert job in str(messages[0])
        strange = await client.call_tool("cancel", {"job": "chatcmpl-somebody-else"})
        assert strange.is_error
        assert json.loads(text_of(await client.call_tool("cancel"))) == {"cancelled": [job]}
    assert results[0].is_error
    assert "cancelled" in results[0].content[0].text
    assert json.loads(text_of(await client.call_tool("cancel"))) == {"cancelled": []}


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_a_connection_cancels_its_own_jobs(gateway: Gateway, transport: str) -> None:
    if transport == "stdio":
        check_conversation(stdio(gateway), lambda client: cancels(client, gateway))
        return
    with served(gateway) as url:
        check_conversation(url, lambda client: cancels(client, gateway), mode="legacy")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_no_connection_cancels_the_jobs_of_another(gateway: Gateway, mode: Any) -> None:
    async def run(url: str) -> None:
        async with (
            Client(url, mode=mode) as first,
            Client(url, mode=mode) as second,
            anyio.create_task_group() as group,
        ):
            group.start_soon(first.call_tool, "chat", {"prompt": LONG})
            (job,) = await until_async(lambda: running_jobs(gateway))
            assert (await second.call_tool("cancel", {"job": job})).is_error
            assert json.loads(text_of(await second.call_tool("cancel"))) == {"cancelled": []}
            assert running_jobs(gateway) == [job]
            group.cancel_scope.cancel()
        await until_async(lambda: not running_jobs(gateway))

    with served(gateway) as url:
        anyio.run(run, url)


def test_a_client_that_leaves_frees_the_bpu(gateway: Gateway) -> None:
    async def leave(client: Client) -> None:
        with anyio.move_on_after(1):
            await client.call_tool("chat", {"prompt": LONG})

    check_conversation(stdio(gateway), leave)
    until(lambda: not running_jobs(gateway))


# The guard


def post(url: str, **headers: str) -> int:
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    sent = {"Accept": "application/json, text/event-stream", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return httpx2.post(url, json=body, headers=sent, trust_env=False).status_code


def test_a_key_of_the_gateway_is_needed_where_there_are_keys(tmp_path: Path) -> None:
    with running(tmp_path, env={"BPU_API_KEYS": KEY}) as gateway, served(gateway, BPU_API_KEYS=KEY, BPU_MCP="0") as url:
        assert post(url) == 401
        assert post(url, Authorization="Bearer wrong") == 401
        assert post(url, X_Api_Key="wrong") == 401
        assert post(url, Authorization=f"Bearer {KEY}") not in (401, 403)

        async def with_key() -> None:
            async with (
                httpx2.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, trust_env=False) as sender,
                Client(streamable_http_client(url, http_client=sender)) as client,
            ):
                assert text_of(await client.call_tool("chat", {"prompt": say("</think>Fine.")})) == "Fine."

        anyio.run(with_key)


def test_pages_and_names_of_others_are_refused(gateway: Gateway) -> None:
    with served(gateway, BPU_ALLOWED_ORIGINS="http://page.example") as url:
        own = url.removesuffix("/mcp")
        assert post(url, Host="evil.example") == 403
        assert post(url, Origin="http://evil.example") == 403
        assert post(url, Origin="null") == 403
        for origin in (own, "http://page.example"):
            assert post(url, Origin=origin) not in (401, 403)
        assert httpx2.get(f"{own}/v1/models", trust_env=False).status_code == 404


@pytest.mark.parametrize(
    ("address", "listens"),
    [("8001", ("127.0.0.1", 8001)), ("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:80", ("::1", 80)), ("rdk:1", ("rdk", 1))],
)
def test_where_it_listens(address: str, listens: tuple[str, int]) -> None:
    assert _parse_address(address) == listens


@pytest.mark.parametrize("address", ["", ":", "x", "1:2:3", "a:0", "a:70000", "a:٣", "a:123456", "::1:80"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(click.BadParameter):
        _parse_address(address)


@pytest.mark.parametrize(
    ("address", "said"), [("0.0.0.0:8001", "BPU_MCP=1"), ("8001", "BPU_MCP=1"), ("nonsense", "HOST:PORT")]
)
def test_over_http_it_is_off_without_a_key(address: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bpu", "mcp", "--http", address],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr


def test_a_body_that_is_too_large_is_refused(gateway: Gateway) -> None:
    with served(gateway, BPU_MAX_BODY_BYTES="20000") as url:
        big = httpx2.post(
            url,
            content=b'{"jsonrpc": "2.0", "id": 1, "method": "' + b"x" * 30000 + b'"}',
            headers={"Accept": "application/json, text/event-stream", "Content-Type": "application/json"},
            trust_env=False,
        )
        assert big.status_code == 413


# What later gateways can do


def later(request: httpx2.Request) -> httpx2.Response:
    """A gateway that has a vision model and a table of models."""
    if request.url.path == "/v1/models":
        sees = {"architecture": {"input_modalities": ["text", "image"]}, "status": {"value": "unloaded"}, "aliases": []}
        return httpx2.Response(200, json={"data": [{"id": "vlm", **sees}, {"id": "llm"}]})
    body = json.loads(request.content)
    if request.url.path == "/v1/engine/load":
        return httpx2.Response(202, json={"status": "ok", "model": body["model"], "engine": {"state": "starting"}})
    picture = body["messages"][0]["content"][0]["image_url"]["url"]
    chunk = {"choices": [{"index": 0, "delta": {"content": picture[:22]}, "finish_reason": "stop"}]}
    return httpx2.Response(200, text=f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize("paths", [True, False])
def test_tools_that_need_more_are_listed_where_the_gateway_has_it(tmp_path: Path, paths: bool) -> None:
    server = BoardTools(GatewayClient("http://later", transport=httpx2.MockTransport(later)), paths=paths)
    picture = tmp_path / "cup.jpg"
    picture.write_bytes(JPEG + bytes(5_000_000))  # as large as a telephone's photo

    async def conversation(client: Client) -> None:
        assert sorted(tool.name for tool in (await client.list_tools()).tools) == sorted(
            [*ALWAYS, "describe_image", "load_model"]
        )
        loading = json.loads(text_of(await client.call_tool("load_model", {"model": "vlm"})))
        assert (loading["model"], loading["state"]) == ("vlm", "starting")
        uri = f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}"
        assert text_of(await client.call_tool("describe_image", {"image": uri})) == "data:image/jpeg;base64"
        by_path = await client.call_tool("describe_image", {"image": str(picture)})
        assert by_path.is_error is not paths

    check_conversation(server, conversation)


def test_a_gateway_that_is_not_there_is_an_error_of_the_tool() -> None:
    async def conversation(client: Client) -> None:
        assert sorted(tool.name for tool in (await client.list_tools()).tools) == ALWAYS
        for tool, arguments in (("chat", {"prompt": "x"}), ("board_status", {}), ("list_models", {})):
            result = await client.call_tool(tool, arguments)
            assert result.is_error
            assert "does not answer" in first_text(result)

    check_conversation(BoardTools(GatewayClient("http://127.0.0.1:1"), paths=True), conversation)


@pytest.mark.parametrize(
    ("model", "abilities"),
    [
        ({}, set()),
        ({"architecture": None, "capabilities": None, "status": None}, set()),
        ({"architecture": {"input_modalities": ["text"]}, "capabilities": ["tools"]}, set()),
        ({"capabilities": ["vision"]}, {"image"}),
        ({"architecture": {"input_modalities": ["image"]}, "aliases": []}, {"image", "load"}),
    ],
)
def test_what_the_list_of_models_says(model: dict[str, Any], abilities: set[str]) -> None:
    assert abilities_of(model) == abilities


@pytest.mark.parametrize(
    "image",
    [
        "data:image/jpeg;base64,!!!!",
        "data:image/jpeg;base64,AAA",
        "data:image/gif;base64,R0lGODlh",
        "data:text/html,<b>",
        f"data:image/png;base64,{base64.b64encode(b'not a picture').decode()}",
        f"data:image/jpeg;base64,{base64.b64encode(JPEG + bytes(MAX_IMAGE_BYTES)).decode()}",
        "/etc/hostname",
        "/dev/zero",
        "/no/such/file.jpg",
        "~no-such-user/file.jpg",
        "a\0b",
        "x" * 5000,
    ],
)
@pytest.mark.parametrize("paths", [True, False])
def test_what_is_no_image_is_refused(image: str, paths: bool) -> None:
    with pytest.raises(ToolError):
        image_uri(image, paths=paths)
