"""Safe on a network: keys, limits, what the console is given, and that no word of anybody is kept or shown."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.live.gateway import Gateway, running, sim
from tests.waits import until

KEY = "a-key-for-tests"
SECRET = "Zanzibar-4711"
CHAT = "/v1/chat/completions"
#: As much as a client may push in before the test gives up waiting for its refusal.
FLOOD_BYTES = 256 * 1024 * 1024


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a key; its liveness is seen at the open addresses."""
    with running(tmp_path_factory.mktemp("locked"), env={"BPU_API_KEYS": KEY, "SOMETHING_SECRET": SECRET}) as gateway:
        yield gateway


def raw(gateway: Gateway, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
@pytest.mark.parametrize(
    "path",
    [
        *("/v1/models", "/v1/v1/models", "/models", "//v1//models", "/v1/models/", "/v1/chat/completions", "/metrics"),
        *("/slots", "/v1/logs", "/v1/events", "/v1/connect", "/v1/engine/load", "/nowhere", "/%2e%2e/v1/models", "/v1"),
        *("/static", "/healthy", "/health/../v1/models", "/ready/x", "/static/../v1/models", "http://127.0.0.1/slots"),
    ],
)
def test_nothing_is_served_without_the_key(locked: Gateway, method: str, path: str) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    status = raw(locked, head.encode()).split(b" ", 2)[1]
    # Never 200: below /static there are files alone, and what is no HTTP is no request.
    assert status in ({b"404", b"405"} if path.startswith("/static/") else {b"401"})


def test_the_open_addresses_and_the_key(locked: Gateway) -> None:
    for path in ("/", "/health", "/ready", "/static/app.css"):
        assert locked.request("GET", path)[0] != 401, path
    assert locked.request("OPTIONS", CHAT)[0] == 204
    assert locked.request("GET", "/v1/models", headers={"Authorization": f"Bearer {KEY}"})[0] == 200
    assert locked.request("GET", "/v1/models", headers={"X-Api-Key": KEY})[0] == 200


def test_the_console_is_given_no_secret_and_no_descriptor_but_its_own(locked: Gateway) -> None:
    (console,) = locked.consoles()
    for process in (console, *locked.keepers()):
        told = process.environ()
        assert not [name for name in told if name.startswith("BPU_")]
        assert KEY not in "".join(told.values())
        assert SECRET not in "".join(told.values())
    opened = {int(link.name): str(link.readlink()) for link in Path(f"/proc/{console.pid}/fd").iterdir()}
    assert all(opened.pop(number).startswith("pipe:") for number in (0, 1, 2))
    # What is left is the file whose lock says that a model is loaded, and what the program itself has opened.
    assert not [name for name in opened.values() if name.startswith(("socket:", "pipe:", "anon_inode:"))]
    assert len([name for name in opened.values() if str(locked.state_dir) in name]) == 1


def test_the_consoles_limits_are_those_that_were_set(start: Callable[..., Gateway]) -> None:
    """A service manager's limits on core dumps and memory reach the console through keeper and wrapper."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, before[1]))
    try:
        gateway = start()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    (console,) = gateway.consoles()
    assert console.rlimit(psutil.RLIMIT_CORE)[0] == 0


def flood(gateway: Gateway) -> bytes:
    """The answer to a body in chunks that does not end."""
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    received = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(head)
        with contextlib.suppress(OSError):
            for _ in range(FLOOD_BYTES // 0x10000):
                connection.sendall(chunk)
        with contextlib.suppress(OSError):
            received = b"".join(iter(lambda: connection.recv(65536), b""))
    return received


def test_a_body_without_end_is_refused_and_memory_stays_flat(start: Callable[..., Gateway]) -> None:
    gateway = start()
    (worker,) = gateway.workers()
    gateway.ask("Hello")
    flood(gateway)
    before = worker.memory_info().rss
    for _ in range(5):
        # Some clients are cut off before they have read: the connection was closed while they were still sending.
        assert flood(gateway)[:12] in (b"HTTP/1.1 413", b"")
    assert worker.memory_info().rss - before < 16 * 1024 * 1024
    assert gateway.workers() == [worker]
    status, _, data = gateway.request("POST", CHAT, {"x": "y" * (5 * 1024 * 1024)})
    assert (status, json.loads(data)["error"]["code"]) == (413, "request_too_large")
    assert gateway.ask("Hello")["object"] == "chat.completion"


def test_a_stranger_at_a_unix_socket_is_local(start: Callable[..., Gateway], tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    gateway = start()
    gateway.stop()
    gateway._env["BPU_BIND"] = f"127.0.0.1:{gateway.port},unix:{path}"
    gateway.start()
    gateway.wait_for()
    connection = http.client.HTTPConnection("localhost", timeout=20)
    with socket.socket(socket.AF_UNIX) as sock, contextlib.closing(connection):
        sock.connect(str(path))
        connection.sock = sock
        for stream in (False, True):
            connection.request(
                "POST",
                CHAT,
                json.dumps(
                    {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
                ),
                {"Content-Type": "application/json"},
            )
            response = connection.getresponse()
            assert response.status == 200
            assert b"finish_reason" in response.read()


def files(folder: Path) -> Iterator[bytes]:
    yield from (path.read_bytes() for path in folder.rglob("*") if path.is_file())


def first_event(gateway: Gateway, path: str) -> bytes:
    """The first line of an event stream."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)) as connection:
        connection.request("GET", path)
        return connection.getresponse().readline()


def test_no_word_of_a_conversation_is_kept_or_shown(start: Callable[..., Gateway]) -> None:
    gateway = start()
    errors = []
    for directives in ({}, {"fault": "crash@decode", "after": 3}, {"fault": "run-error"}):
        question = sim(f"{SECRET} please", **directives)
        for stream in (False, True):
            body = {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": question}], "stream": stream}
            status, _, data = gateway.request("POST", CHAT, body)
            errors += [data] if status != 200 else [line for line in data.split(b"\n") if b'"error"' in line]
        gateway.wait_for()
    assert gateway.ask(f"{SECRET}?")["choices"]
    shown = [gateway.request("GET", path)[2] for path in ("/health", "/slots", "/ready", "/metrics", "/v1/models", "/")]
    shown += [first_event(gateway, path) for path in ("/v1/logs", "/v1/events")]
    gateway.stop()
    kept = [gateway.log.encode(), *files(gateway.state_dir)]
    assert errors
    assert "request id=" in gateway.log
    for place in (*errors, *shown, *kept):
        assert SECRET.encode() not in place


def test_prompts_are_logged_when_that_was_asked_for_and_the_start_says_so(start: Callable[..., Gateway]) -> None:
    gateway = start(env={"BPU_LOG_PROMPTS": "1"})
    assert "BPU_LOG_PROMPTS is set" in gateway.log
    gateway.ask(SECRET)
    until(lambda: "prompt id=" in gateway.log and SECRET in gateway.log and "answer id=" in gateway.log)
