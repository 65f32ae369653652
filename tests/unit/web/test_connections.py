"""More connections than a worker holds: what gives way, what is refused, and that nobody is silenced.

The rules as such, then on the real gunicorn: crowds that send nothing, that follow events, that hold requests.
"""

from __future__ import annotations

import contextlib
import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
import pytest

from bpu.access_policy import access
from bpu.errors import BpuError, ClientLimitReached, Overloaded
from bpu.settings import load_settings
from bpu.web.connections import Connections
from bpu.web.stream_registry import StreamRegistry
from tests.support.waits import until
from tests.unit.web.test_gunicorn import CHAT, Served, body, serving

pytestmark = pytest.mark.live

STRANGER = "192.168.7.7"


def rules(limit: int = 20, client_limit: int = 3, **settings: str) -> Connections[int]:
    return Connections(access(load_settings(engine="simulator", **settings)), limit=limit, client_limit=client_limit)


def begin_request(
    connections: Connections[int], number: int, path: str = CHAT, peer: str = "127.0.0.1", **headers: str
) -> None:
    connections.begin_request(number, peer, path, {name.replace("_", "-"): value for name, value in headers.items()})


def test_6_the_connection_that_has_rested_longest_gives_way() -> None:
    connections = rules(limit=3)
    for number in range(3):
        connections.open(number, "127.0.0.1")
        assert connections.pop_surplus() is None
    begin_request(connections, 0)
    connections.open(3, "127.0.0.1")
    assert connections.pop_surplus() == 1
    connections.end_request(0)
    connections.open(4, "127.0.0.1")
    assert connections.pop_surplus() == 2
    assert list(connections.idle) == [3, 0, 4]
    connections.close(3)
    assert list(connections.idle) == [0, 4]


def test_6_a_new_connection_may_say_what_it_wants_when_all_others_are_busy() -> None:
    connections = rules(limit=2)
    for number in range(2):
        connections.open(number, "127.0.0.1")
        begin_request(connections, number, "/health")
    connections.open(2, "127.0.0.1")
    assert connections.pop_surplus() is None
    connections.open(3, "127.0.0.1")
    assert connections.pop_surplus() == 2


@pytest.mark.parametrize(
    ("peer", "many"),
    [
        *[(peer, True) for peer in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "", "10.0.0.1")],
        *[(peer, False) for peer in (STRANGER, "fe80::1%usb0", "2001:db8::1", "8.8.8.8")],
    ],
)
def test_6_an_address_has_its_share_unless_it_is_this_machine_or_a_trusted_proxy(peer: str, many: bool) -> None:
    connections = rules(trusted_proxies="10.0.0.1")
    for number in range(3):
        connections.open(number, peer)
    with pytest.raises(ClientLimitReached) if not many else contextlib.nullcontext():
        connections.open(3, peer)
    connections.open(4, "192.168.7.8")
    connections.close(0)
    connections.open(5, peer)


def test_6_a_client_behind_a_trusted_proxy_has_its_share_of_requests() -> None:
    connections = rules(trusted_proxies="10.0.0.1")
    for number in range(6):
        connections.open(number, "10.0.0.1")
    for number in range(3):
        begin_request(connections, number, peer="10.0.0.1", X_FORWARDED_FOR=STRANGER)
    with pytest.raises(ClientLimitReached, match="BPU_CLIENT_CONNECTIONS"):
        begin_request(connections, 3, peer="10.0.0.1", X_FORWARDED_FOR=f"1.1.1.1, {STRANGER}")
    begin_request(connections, 4, peer="10.0.0.1", X_FORWARDED_FOR="192.168.7.8")
    connections.end_request(0)
    begin_request(connections, 3, peer="10.0.0.1", X_FORWARDED_FOR=STRANGER)


def test_6_the_last_part_is_for_probes_and_keys() -> None:
    connections = rules(api_keys="secret")
    for number in range(18):
        begin_request(connections, number)
    with pytest.raises(Overloaded):
        begin_request(connections, 18)
    with pytest.raises(Overloaded):
        begin_request(connections, 18, AUTHORIZATION="Bearer wrong")
    begin_request(connections, 18, "/health")
    begin_request(connections, 19, AUTHORIZATION="Bearer secret")
    begin_request(connections, 20, X_API_KEY="secret")
    connections.end_request(0)
    connections.end_request(0)
    assert connections.busy == 20


def test_6_places_for_streams_are_given_back_once() -> None:
    streams = StreamRegistry(2)
    release = streams.reserve()
    streams.reserve()
    with pytest.raises(Overloaded, match="BPU_STATUS_STREAMS"):
        streams.reserve()
    release()
    release()
    streams.reserve()
    with pytest.raises(Overloaded):
        streams.reserve()


# On the real gunicorn


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def crowd(served: Served, size: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        sockets = []
        for _ in range(size):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=20))
            if sent:
                with contextlib.suppress(ConnectionError):
                    sock.sendall(sent)
            sockets.append(sock)
        yield sockets


def anonymous_memory(served: Served) -> float:
    """Of all workers, in MiB."""
    return float(sum(child.memory_info().rss for child in psutil.Process(served.process.pid).children()) / 2**20)


def request(method: str, path: str, sent: object = None, **headers: str) -> bytes:
    data = b"" if sent is None else json.dumps(sent).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data


def status(sock: socket.socket) -> int:
    return int(sock.recv(12)[9:12])


def refusal(served: Served, sent: bytes) -> tuple[int, str]:
    head, _, data = served.raw(sent).partition(b"\r\n\r\n")
    return int(head[9:12]), json.loads(data)["error"]["code"]


@pytest.mark.long
@pytest.mark.parametrize(
    "sent",
    [b"", b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n", request("GET", "/v1/events")],
    ids=["silent", "half a head", "readers of events"],
)
def test_6_two_thousand_connections_keep_nobody_out(tmp_path: Path, sent: bytes) -> None:
    with serving(tmp_path) as served:
        before = anonymous_memory(served)
        with crowd(served, 2000, sent):
            for _ in range(20):
                assert served.ask("GET", "/health")
                assert served.ask("POST", CHAT, body("Hello"))["choices"]
            print(f"the worker grew by {anonymous_memory(served) - before:.1f} MiB")
            assert anonymous_memory(served) - before < 150
        assert served.ask("POST", CHAT, body("Hello"))["choices"]


def test_6_streams_that_are_no_answers_have_a_limit_of_their_own(tmp_path: Path) -> None:
    with serving(tmp_path, BPU_STATUS_STREAMS="3") as served:
        with crowd(served, 3, request("GET", "/v1/events")) as streams:
            assert [status(stream) for stream in streams] == [200] * 3
            for path in ("/v1/events", "/v1/logs"):
                assert refusal(served, request("GET", path, Connection="close")) == (503, "overloaded")

        # The places are given back as soon as the ends are noticed. Each look has its own connection: on one, a
        # refusal that comes in two packets would be taken for the next answer.
        def is_served() -> bool:
            with crowd(served, 1, request("GET", "/v1/events", Connection="close")) as (late,):
                return status(late) == 200

        until(is_served, what="a place is free again", every=0.1)


def test_6_a_new_connection_is_closed_when_it_sends_nothing_and_an_idle_one_is_kept(tmp_path: Path) -> None:
    with serving(tmp_path, BPU_FIRST_BYTE_TIMEOUT_S="1") as served, served.connect() as idle:
        idle.request("GET", "/health")
        assert idle.getresponse().read()
        kept = idle.sock
        with closing(socket.create_connection(("127.0.0.1", served.port), timeout=20)) as silent:
            assert silent.recv(1) == b""
        idle.request("GET", "/health")
        assert idle.getresponse().status == 200
        assert idle.sock is kept


def test_6_connections_that_give_way_are_closed_without_an_error_in_the_log(tmp_path: Path) -> None:
    few = {"GUNICORN_CMD_ARGS": "--worker-connections 5", "BPU_FIRST_BYTE_TIMEOUT_S": "60"}
    with serving(tmp_path, **few) as served, crowd(served, 10) as silent:
        assert [sock.recv(1) for sock in silent[:5]] == [b""] * 5
        assert served.ask("GET", "/health")
        assert "Traceback" not in served.log.read_text()


def test_6_room_is_kept_for_health_and_for_keys(tmp_path: Path) -> None:
    few = {"GUNICORN_CMD_ARGS": "--worker-connections 20", "BPU_API_KEYS": "secret"}
    waiting = request("POST", CHAT, body("wait", stream=True), X_Api_Key="secret")
    with serving(tmp_path, **few) as served, crowd(served, 18, waiting) as held:
        assert [status(sock) for sock in held] == [200] * 18
        assert refusal(served, request("GET", "/v1/models")) == (503, "overloaded")
        assert served.ask("GET", "/health")
        # The connections of the two requests before may still be lingering.
        with crowd(served, 2, waiting) as more:
            assert [status(sock) for sock in more] == [200] * 2
            assert served.ask("GET", "/health")


def test_6_a_client_behind_a_proxy_has_its_share_and_leaves_the_others_theirs(tmp_path: Path) -> None:
    env = {"BPU_TRUSTED_PROXIES": "127.0.0.1", "BPU_CLIENT_CONNECTIONS": "3"}
    waiting = request("POST", CHAT, body("wait", stream=True), X_Forwarded_For=STRANGER)
    plain = request("POST", CHAT, body("Hello"), X_Forwarded_For=STRANGER, Connection="close")
    with serving(tmp_path, **env) as served:
        with crowd(served, 3, waiting) as held:
            assert [status(sock) for sock in held] == [200] * 3
            assert refusal(served, plain) == (429, "too_many_connections")
            assert served.raw(plain.replace(STRANGER.encode(), b"192.168.7.8")).startswith(b"HTTP/1.1 200 ")
        until(lambda: served.raw(plain).startswith(b"HTTP/1.1 200 "), what="the share is free again", every=0.1)


def test_6_errors_of_want_of_room_are_worth_another_try() -> None:
    errors: list[BpuError] = [Overloaded("x", retry_after=5), ClientLimitReached("x", retry_after=5)]
    assert [(error.status, error.retry_after) for error in errors] == [(503, 5), (429, 5)]
