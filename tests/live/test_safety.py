"""Safe on a network: keys, limits, what the console is given, and that no word of anybody is kept or shown."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.live.gateway import Gateway, running, sim
from tests.support.waits import until

KEY, SPARE = "a-key-for-tests", "a-key-from-a-file"
SECRET = "Zanzibar-4711"
CHAT = "/v1/chat/completions"
#: As much as a client may push in before the test gives up waiting for its refusal.
FLOOD_BYTES = 256 * 1024 * 1024


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with keys, some in a file; its liveness is seen at the open addresses."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"# for the kitchen\n{SPARE}\n")
    env = {"BPU_API_KEYS": f"other,{KEY}", "BPU_API_KEYS_FILE": str(file), "SOMETHING_SECRET": SECRET}
    with running(tmp_path_factory.mktemp("locked"), env=env) as gateway:
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
    assert locked.request("GET", "/v1/models", headers={"X-Api-Key": SPARE})[0] == 200
    assert locked.request("GET", "/v1/models", headers={"X-Api-Key": f"{KEY}x"})[0] == 401
    for place in (locked.log.encode(), *files(locked.state_dir)):
        assert KEY.encode() not in place
        assert SPARE.encode() not in place


def test_without_keys_strangers_are_told_how_to_set_one(gateway: Gateway, start: Callable[..., Gateway]) -> None:
    """A trusted proxy says who asks. Where none is trusted nobody can be told apart, and the log says so, once."""
    behind = start(env={"BPU_TRUSTED_PROXIES": "127.0.0.1"})

    def asks(gateway: Gateway, client: str) -> tuple[int, bytes]:
        status, _, data = gateway.request("GET", "/v1/models", headers={"X-Forwarded-For": client})
        return status, data

    for far in ("8.8.8.8", "100.63.255.255", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8", "192.168.1.2, 8.8.8.8"):
        status, data = asks(behind, far)
        assert (status, b"BPU_API_KEYS" in data) == (403, True), far
        assert asks(gateway, far)[0] == 200
    for near in ("192.168.1.2", "100.64.0.1", "::ffff:10.0.0.1", "fe80::1%usb0", "169.254.3.4", "8.8.8.8, 172.31.0.1"):
        assert asks(behind, near)[0] == 200, near
    assert gateway.log.count("BPU_TRUSTED_PROXIES") == 1
    assert "BPU_TRUSTED_PROXIES" not in behind.log


def test_a_strangers_web_page_gets_nowhere(gateway: Gateway) -> None:
    """By a name of its own for this address, by a form, by a script that reads: refused, or kept from it."""
    body = {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": "Hello"}]}
    evil, local = {"Origin": "https://evil.example"}, {"Origin": "http://localhost:3000"}
    for host, status in (("evil.example", 403), (f"localhost:{gateway.port}", 200), ("board.local", 403)):
        assert gateway.request("GET", "/health", headers={"Host": host})[0] == status
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for origin, readable in ((evil, False), (local, True)):
        for answer in (
            gateway.request("OPTIONS", CHAT, headers={**origin, **asked}),
            gateway.request("POST", CHAT, body, headers=origin),
        ):
            assert answer[0] in (200, 204)
            assert ("Access-Control-Allow-Origin" in answer[1]) == readable
    assert gateway.request("POST", CHAT, body, headers={**evil, "Content-Type": "text/plain"})[0] == 415
    page = gateway.request("GET", "/", headers={"Accept": "text/html"})[1]
    assert "default-src 'self'" in page["Content-Security-Policy"]
    assert (page["X-Content-Type-Options"], page["X-Frame-Options"]) == ("nosniff", "DENY")


def test_the_console_is_given_no_secret_and_no_descriptor_but_its_own(locked: Gateway) -> None:
    (console,) = locked.consoles()
    for process in (console, *locked.keepers()):
        told = process.environ()
        assert not [name for name in told if name.startswith("BPU_")]
        assert KEY not in "".join(told.values())
        assert SECRET not in "".join(told.values())
    opened = {int(link.name): str(link.readlink()) for link in Path(f"/proc/{console.pid}/fd").iterdir()}
    assert all(opened.pop(number).startswith("pipe:") for number in (0, 1, 2))
    # What is left is the file whose lock says that a model is loaded.
    assert list(opened.values()) == [str(locked.state_dir / "simulator.lock")]


def limits(pid: int, name: str) -> list[str]:
    """The soft and the hard limit, as the kernel tells them."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line for line in lines if line.startswith(name))[26:].split()[:2]


def test_the_console_has_no_core_dump_and_what_the_service_manager_allows(start: Callable[..., Gateway]) -> None:
    before, most = resource.getrlimit(resource.RLIMIT_AS), 64 << 30
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        gateway = start()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    (console,) = gateway.consoles()
    assert limits(console.pid, "Max core file size") == ["0", "0"]
    assert limits(console.pid, "Max address space")[0] == str(most)
    assert limits(console.pid, "Max data size") == limits(gateway.process.pid, "Max data size")
    assert gateway.ask(sim(fault="hoard"))["choices"]


def test_a_console_that_wants_too_much_memory_costs_its_own_answer(start: Callable[..., Gateway]) -> None:
    gateway = start(env={"BPU_CONSOLE_MEMORY_MB": "512", "BPU_CONSOLE_CORE_MB": "3"})
    (console,), (keeper,), workers = gateway.consoles(), gateway.keepers(), gateway.workers()
    mib = 1 << 20
    assert limits(console.pid, "Max data size") == [str(512 * mib)] * 2
    assert limits(console.pid, "Max core file size") == [str(3 * mib)] * 2
    for process in (gateway.process, keeper, *workers):
        assert limits(process.pid, "Max data size") == limits(os.getpid(), "Max data size")
    body = {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": sim(fault="hoard")}]}
    status, _, data = gateway.request("POST", CHAT, body)
    error = json.loads(data)["error"]
    assert (status, error["code"]) == (502, "engine_crashed")
    assert "BPU_CONSOLE_MEMORY_MB" in error["message"]
    assert gateway.ask("Hello")["choices"]
    assert (gateway.keepers(), gateway.workers()) == ([keeper], workers)
    assert limits(gateway.consoles()[0].pid, "Max data size") == [str(512 * mib)] * 2


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


def test_a_client_that_sends_all_of_a_large_body_before_it_reads_is_cut_off(gateway: Gateway) -> None:
    body = b"x" * (24 * 1024 * 1024)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as connection:
        connection.sendall(head)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            connection.sendall(body)
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_a_stranger_at_a_unix_socket_is_local(start: Callable[..., Gateway], tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    gateway = start()
    gateway.stop()
    gateway._env["BPU_BIND"] = f"127.0.0.1:{gateway.port},unix:{path}"
    gateway.start()
    gateway.wait_for()
    assert path.stat().st_mode & 0o777 == 0o660
    connection = http.client.HTTPConnection("localhost", timeout=20)
    with socket.socket(socket.AF_UNIX) as sock, closing(connection):
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
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)) as connection:
        connection.request("GET", path)
        return connection.getresponse().readline()


def looks(gateway: Gateway) -> list[bytes]:
    """All that a dashboard, a monitor or the page can see."""
    paths = ("/health", "/slots", "/ready", "/metrics", "/v1/models", "/v1/connect", "/")
    shown = [gateway.request("GET", path)[2] for path in paths]
    return shown + [first_event(gateway, path) for path in ("/v1/logs", "/v1/events")]


def test_no_word_of_a_conversation_is_kept_or_shown(start: Callable[..., Gateway]) -> None:
    gateway = start()
    errors = []
    for directives in ({}, {"fault": "exit=3@decode", "after": 3}, {"fault": "signal@end"}, {"fault": "run-error"}):
        question = sim(f"{SECRET} please", **directives)
        for stream in (False, True):
            body = {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": question}], "stream": stream}
            status, _, data = gateway.request("POST", CHAT, body)
            errors += [data] if status != 200 else [line for line in data.split(b"\n") if b'"error"' in line]
        gateway.wait_for()
    assert gateway.ask(f"{SECRET}?")["choices"]
    shown = looks(gateway)
    said = sim(SECRET, tokens=2000, rate=20, nonce=SECRET)
    with closing(gateway.stream(said).until_text()), closing(gateway.open_stream(said)):
        until(lambda: gateway.slots()["waiting"])
        shown += looks(gateway)
    gateway.stop()
    kept = [gateway.log.encode(), *files(gateway.state_dir)]
    assert len(errors) == 6
    assert "request id=" in gateway.log
    for place in (*errors, *shown, *kept):
        assert SECRET.encode() not in place


def test_prompts_are_logged_when_that_was_asked_for_and_the_start_says_so(start: Callable[..., Gateway]) -> None:
    gateway = start(env={"BPU_LOG_PROMPTS": "1"})
    assert "BPU_LOG_PROMPTS is set" in gateway.log
    gateway.ask(SECRET)
    until(lambda: "prompt id=" in gateway.log and SECRET in gateway.log and "answer id=" in gateway.log)
