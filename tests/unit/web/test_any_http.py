"""Attack inputs: no bytes on a connection give a 500, HTML, a hang, or a worker that does not go on."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.web.test_gunicorn import CHAT, Served, serving

pytestmark = pytest.mark.live

WORDS = st.sampled_from(
    [
        *(
            b"GET",
            b"POST",
            b"OPTIONS",
            b"HEAD",
            b"CONNECT",
            b"a:1",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"PRI",
            b" ",
            b"  ",
            b"/",
            b"*",
            b"/health",
            CHAT.encode(),
            b"//x",
            b"/%00",
        ),
        *(b"http://localhost/", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"\r\n", b"\n", b"\r", b"\r\n\r\n"),
        *(
            b"Host: localhost",
            b"Host: evil.example",
            b"Host:",
            b"Content-Length: 5",
            b"Content-Length: -1",
            b":",
            b"\x00",
        ),
        *(b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked", b"Transfer-Encoding: x, chunked"),
        *(
            b"Expect: 100-continue",
            b"Connection: close",
            b"Origin: null",
            b"Content-Type: application/json",
            b"5\r\n",
            b"0",
        ),
        *(
            b"ffffffffffffffffff\r\n",
            b"{}",
            b'{"model":',
            b"X-Y: " + b"z" * 300,
            b"Upgrade: websocket",
            b"\xff\xfe",
            b"a" * 50,
        ),
    ]
)
JUNK = st.lists(WORDS | st.binary(max_size=20), max_size=25).map(b"".join)
#: A sound head with junk where headers and body are.
HALF = st.builds(
    lambda headers, rest: b"POST " + CHAT.encode() + b" HTTP/1.1\r\n" + headers + b"\r\n\r\n" + rest, JUNK, JUNK
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("gunicorn"), TEST_SILENCE_S="1", BPU_BODY_TIMEOUT_S="2") as one:
        yield one


@given(sent=JUNK | HALF)
def test_any_bytes_are_answered_or_hung_up_on(served: Served, sent: bytes) -> None:
    received = b""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection, contextlib.suppress(OSError):
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    if received.startswith(b"HTTP/1.1 100"):
        received = received.partition(b"\r\n\r\n")[2]
    if not received:
        return
    head, _, data = received.partition(b"\r\n\r\n")
    status = int(head.split(b" ")[1])
    assert status < 500 or status == 501, head
    if status >= 400 and b"HTTP/1." not in data and not sent.lstrip().startswith(b"HEAD"):
        assert set(json.loads(data)["error"]) == {"message", "type", "param", "code"}


def test_the_worker_that_took_it_all_still_answers(served: Served) -> None:
    log = served.log.read_text()
    assert served.ask("GET", "/health")
    assert "Traceback" not in log
    assert "An internal error" not in log
    assert "An error while a request was served" not in log
    assert log.count("Booting worker") == 1
