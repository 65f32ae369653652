"""The gateway under a real gunicorn, over a scripted engine: connections, refusals, start and stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_errors import check_error_at
from tests.support.checker import check_stream
from tests.support.ports import reserve_port
from tests.support.waits import until

pytestmark = pytest.mark.live

PROJECT = Path(__file__).parents[3]
CHAT = "/v1/chat/completions"
JSON = {"Content-Type": "application/json"}


def body(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": text}], **fields}


def command(*arguments: str, application: str = "tests.unit.web.served:app") -> list[str]:
    return [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", *arguments, application]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BPU_")}
    return {**kept, "BPU_ENGINE": "simulator", "BPU_WORKERS": "1", "BPU_GRACEFUL_S": "2", **more}


@dataclass
class Served:
    """A running gateway."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def connect(self) -> contextlib.closing[HTTPConnection]:
        return contextlib.closing(HTTPConnection("127.0.0.1", self.port, timeout=20))

    def ask(self, method: str, path: str, sent: Any = None) -> Any:
        """The decoded JSON of an answer that must be a good one."""
        with self.connect() as connection:
            connection.request(method, path, None if sent is None else json.dumps(sent), JSON)
            response = connection.getresponse()
            assert response.status == 200
            return json.loads(response.read())

    @property
    def closed(self) -> int:
        """How many jobs the engine has been relieved of."""
        return int(self.ask("GET", "/health")["engine"]["closed"])

    def raw(self, sent: bytes) -> bytes:
        """All that comes back for `sent`, up to the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(sent)
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while data := connection.recv(65536):
                    received += data
        return received


@contextlib.contextmanager
def serving(folder: Path, wrapper: Sequence[str] = (), **settings: str) -> Iterator[Served]:
    port = reserve_port()
    log = folder / "gunicorn.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*wrapper, *command("--bind", f"127.0.0.1:{port}")],
            cwd=PROJECT,
            env=environment(**settings),
            stderr=stderr,
            start_new_session=True,
        )
    served = Served(port, process, log)
    try:
        until(lambda: answers(served), what="gunicorn does not answer")
        yield served
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(20)


def answers(served: Served) -> bool:
    assert served.process.poll() is None, served.log.read_text()
    with contextlib.suppress(ConnectionRefusedError):
        return bool(served.ask("GET", "/health"))
    return False


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("gunicorn"), BPU_MAX_BODY_BYTES="100000", TEST_WRITE_S="0.5") as one:
        yield one


def test_both_modes_on_one_connection(served: Served) -> None:
    with served.connect() as connection:
        for stream in (False, True, False):
            connection.request("POST", CHAT, json.dumps(body("Hello there", stream=stream)), JSON)
            response = connection.getresponse()
            data = response.read()
            if stream:
                assert check_stream(data, body("Hello there"))["content"] == "Hello there"
            else:
                assert json.loads(data)["choices"][0]["message"]["content"] == "Hello there"
                assert json.loads(data)["id"] == response.headers["x-request-id"]


def test_events_go_out_as_they_come(served: Served) -> None:
    """The answer is read up to its middle while its job waits for us, and health answers meanwhile."""
    with served.connect() as connection:
        connection.request("POST", CHAT, json.dumps(body("wait", stream=True)), JSON)
        response = connection.getresponse()
        read = b""
        while b"One" not in read:
            read += response.readline()
        assert served.ask("GET", "/health")
        assert served.ask("POST", f"/v1/jobs/{response.headers['x-request-id']}/cancel")
        assert check_stream(read + response.read(), body("wait"))["content"] == "One two."


def test_a_silent_answer_sends_its_headers(tmp_path: Path) -> None:
    patience = {"BPU_HEADER_DRIP_S": "0.01", "BPU_KEEPALIVE_S": "0.01"}
    with serving(tmp_path, **patience) as served, served.connect() as connection:
        connection.request("POST", CHAT, json.dumps(body("wait")), JSON)
        response = connection.getresponse()
        assert response.read(1) == b"\n"
        assert served.ask("POST", f"/v1/jobs/{response.headers['x-request-id']}/cancel")
        assert json.loads(response.read())["choices"][0]["message"]["content"] == "One two."


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        (CHAT, body("break")),
        ("/v1/responses", {"model": "deepseek-r1:1.5b", "input": "break"}),
        ("/v1/messages", {**body("break"), "max_tokens": 9}),
        ("/api/chat", {**body("break"), "stream": False}),
    ],
)
def test_a_late_error_is_cut_off_and_never_a_whole_answer(tmp_path: Path, path: str, sent: dict[str, Any]) -> None:
    patience = {"BPU_HEADER_DRIP_S": "0.01", "BPU_KEEPALIVE_S": "0.01"}
    with serving(tmp_path, **patience) as served, served.connect() as connection:
        connection.request("POST", path, json.dumps(sent), JSON)
        response = connection.getresponse()
        assert (response.status, response.read(1)) == (200, b"\n")
        assert served.ask("POST", f"/v1/jobs/{response.headers['x-request-id']}/cancel")
        with pytest.raises(IncompleteRead) as cut:
            response.read()
        check_error_at(path, json.loads(cut.value.partial))
        assert b"Gone." in cut.value.partial
        log = served.log.read_text()
        assert "Traceback" not in log
        assert "engine_crashed" in log


def test_a_late_error_resets_a_connection_that_has_no_chunks(tmp_path: Path) -> None:
    """A proxy that speaks HTTP/1.0, nginx's default for long, would take the end of the connection for the body's."""
    sent = json.dumps(body("break")).encode()
    head = f"POST {CHAT} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
    with serving(tmp_path, BPU_HEADER_DRIP_S="0.01", BPU_KEEPALIVE_S="0.01") as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as client, client.makefile("rb") as lines:
            client.sendall(head.encode() + sent)
            headers = [line.decode() for line in iter(lines.readline, b"\r\n")]
            [name] = [line.split()[1] for line in headers if line.startswith("x-request-id")]
            assert lines.read(1) == b"\n"
            assert served.ask("POST", f"/v1/jobs/{name}/cancel")
            with pytest.raises(ConnectionResetError):
                lines.read()
        assert "Traceback" not in served.log.read_text()


def test_a_client_that_leaves_is_let_go_of(served: Served) -> None:
    before = served.closed
    with served.connect() as connection:
        connection.request("POST", CHAT, json.dumps(body("flood", stream=True)), JSON)
        connection.getresponse().readline()
        assert served.closed == before, "as long as the client is there"
    until(lambda: served.closed > before, what="the job is closed")
    assert served.closed == before + 1
    assert "Traceback" not in served.log.read_text()


def test_a_client_that_does_not_read_is_let_go_of_without_a_traceback(served: Served) -> None:
    before = served.closed
    with served.connect() as connection:
        connection.request("POST", CHAT, json.dumps(body("flood", stream=True)), JSON)
        until(lambda: served.closed > before, what="the job was not closed")
    assert "Traceback" not in served.log.read_text()
    assert "stopped reading" in served.log.read_text()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: " + b"x" * 17000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Many: x\r\n" * 101 + b"\r\n", 431),
        (b"NONSENSE\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100001\r\n\r\n" + b"x" * 100001,
            413,
        ),
        (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 10,
            413,
        ),
    ],
    ids=["line", "header", "headers", "nonsense", "chunk", "length", "chunks"],
)
def test_what_is_refused_is_refused_in_json_and_ends_the_connection(served: Served, sent: bytes, status: int) -> None:
    head, _, data = served.raw(sent).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert set(json.loads(data)["error"]) == {"message", "type", "param", "code"}
    assert served.ask("GET", "/health")


@pytest.mark.parametrize("path", ["/api/chat", "/v1/messages?beta=true", "/v1/chat/completions"])
@pytest.mark.parametrize(
    ("form", "status"),
    [
        (b"POST %b HTTP/1.1\r\nHost: localhost\r\nX-Large: " + b"x" * 17000 + b"\r\n\r\n", 431),
        (b"POST %b" + b"&" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"POST %b HTTP/1.1\r\nHost localhost\r\n\r\n", 400),
    ],
    ids=["header", "line", "no header"],
)
def test_a_head_that_is_refused_is_refused_in_the_form_of_its_path(
    served: Served, path: str, form: bytes, status: int
) -> None:
    """Also after an earlier request on the connection, and where the head comes byte by byte."""
    target = path if "?" in path else f"{path}?x"
    before = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(before)
        while b'"status"' not in connection.recv(65536):
            pass
        sent = form.replace(b"%b", target.encode())
        for byte in sent[:30]:
            connection.sendall(bytes([byte]))
        connection.sendall(sent[30:])
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                received += piece
    head, _, data = received.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    check_error_at(path.partition("?")[0], json.loads(data))


HOST = "Host: 127.0.0.1\r\nConnection: close"
UPGRADE = (
    HOST.replace("close", "Upgrade") + "\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x"
)


@pytest.mark.parametrize(
    ("line", "fields", "status", "code"),
    [
        ("OPTIONS *", HOST, 204, None),
        ("GET *", HOST, 400, "invalid_http"),
        ("CONNECT a:1", HOST, 405, "method_not_allowed"),
        ("CONNECT 127.0.0.1:8000", HOST.replace("127.0.0.1", "a:1"), 405, "method_not_allowed"),
        ("CONNECT *", HOST, 400, "invalid_http"),
        ("OPTIONS *", HOST.replace("127.0.0.1", "evil.example"), 403, "forbidden"),
        ("GET /v1/realtime", UPGRADE, 404, "unsupported_endpoint"),
        ("GET /v1/models", UPGRADE, 200, None),
        ("GET /nowhere", UPGRADE, 404, "not_found"),
    ],
)
def test_odd_targets_and_upgrades_are_no_mistake_of_the_gateway(
    served: Served, line: str, fields: str, status: int, code: str | None
) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(f"{line} HTTP/1.1\r\n{fields}\r\n\r\n".encode())
        response = HTTPResponse(connection, method=line.split()[0])
        response.begin()
        answer = response.read()
    assert response.status == status
    assert code is None or json.loads(answer)["error"]["code"] == code
    assert (response.headers["Allow"] is not None) == (status in (204, 405))
    assert "An internal error" not in served.log.read_text()


def test_head_has_no_body_and_the_connection_goes_on(served: Served) -> None:
    with served.connect() as connection:
        for path, status in (("/health", 200), ("/v1/models", 200), ("/nowhere", 404), (CHAT, 405)):
            connection.request("HEAD", path)
            response = connection.getresponse()
            assert (response.status, response.read()) == (status, b"")


def test_every_line_of_the_log_is_json_when_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path, BPU_LOG_FORMAT="json") as served:
        served.ask("POST", CHAT, body("Hello"))
        served.raw(b"NONSENSE\r\n\r\n")
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    assert {"gunicorn.error", "bpu.web.request"} <= {line["logger"] for line in lines}
    assert [line["status"] for line in lines if line["event"] == "request"] == [200, 400]


def test_wrong_settings_stop_the_start_with_every_mistake(tmp_path: Path) -> None:
    settings = {"BPU_QUEUE_LIMIT": "many", "BPU_KEEPALIVE": "loud", "BPU_WORKERS": "0"}
    done = subprocess.run(
        command(), cwd=PROJECT, env=environment(**settings), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert all(name in done.stderr for name in settings)
    assert "Traceback" not in done.stderr
    settings = {"BPU_TRUSTED_PROXIES": "my-proxy", "BPU_API_KEYS_FILE": str(tmp_path / "none")}
    done = subprocess.run(
        command(), cwd=PROJECT, env=environment(**settings), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert all(name in done.stderr for name in settings)
    assert "Traceback" not in done.stderr


def test_it_stops_on_request(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(20) == 0
    assert "Traceback" not in served.log.read_text()


def test_ctrl_c_which_a_worker_hears_twice_is_no_traceback(tmp_path: Path) -> None:
    """A terminal sends it to master and workers alike, and the master tells its workers once more."""
    with serving(tmp_path, BPU_WORKERS="3") as served:
        os.killpg(served.process.pid, signal.SIGINT)
        assert served.process.wait(20) == 0
    assert "Traceback" not in served.log.read_text()
