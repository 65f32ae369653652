"""The most memory that one worker of the real gunicorn takes for what strangers send or make a model say.

The peak is the kernel's own (`VmHWM`), so that no moment is missed; each figure is printed (`pytest -s`).
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.waits import until
from tests.unit.web.test_body_budget import whole_is_served
from tests.unit.web.test_connections import crowd, descriptors, request, status
from tests.unit.web.test_gunicorn import CHAT, Served, body, serving

pytestmark = [pytest.mark.live, pytest.mark.long]

__all__ = ["descriptors"]  # a fixture: as many open files as the system allows

MIB = 1 << 20
LARGE = 4_000_000
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {"type": "string"}}}}}


def grown_by(served: Served, act: Callable[[], Any]) -> float:
    """By how many MiB the worker has grown at its peak while `act` ran."""
    (worker,) = psutil.Process(served.process.pid).children()
    files = Path("/proc", str(worker.pid))
    (files / "clear_refs").write_text("5")  # the peak begins anew
    before = peak(files)
    act()
    return peak(files) - before


def peak(files: Path) -> float:
    line = next(line for line in (files / "status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def called(arguments: str) -> dict[str, Any]:
    """A chat whose history holds a call with these arguments."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    messages = [
        {"role": "user", "content": "Call it."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
        {"role": "user", "content": "Hello"},
    ]
    return {**body(""), "messages": messages}


@pytest.mark.parametrize(
    "arguments",
    [
        '{"a": "' + "x" * LARGE,
        '{"a": "' + "\\d" * (LARGE // 4),
        "[" * LARGE,
        '{"a": ' * (LARGE // 8),
        "' " * (LARGE // 2),
    ],
    ids=["no closing quote", "backslashes", "brackets", "braces", "quotes"],
)
def test_7_arguments_without_an_end_take_memory_in_proportion(tmp_path: Path, arguments: str) -> None:
    sent = request("POST", CHAT, called(arguments), Connection="close")
    assert len(sent) < 4 * MIB
    with serving(tmp_path) as served:
        assert served.raw(request("POST", CHAT, called('{"a": "'), Connection="close")).startswith(b"HTTP/1.1 200 ")
        grown = grown_by(served, lambda: answered(served, sent))
    print(f"{len(sent) / MIB:.1f} MiB of request: the worker grew by {grown:.0f} MiB at its peak")
    assert grown < 48


def answered(served: Served, sent: bytes) -> None:
    assert served.raw(sent)[9:12] in (b"200", b"400")


@pytest.mark.parametrize("stream", [False, True])
def test_7_an_answer_with_arguments_without_an_end_takes_memory_in_proportion(tmp_path: Path, stream: bool) -> None:
    asked = body("unclosed", stream=stream, tools=[TOOL])
    sent = request("POST", CHAT, asked, Connection="close")
    with serving(tmp_path) as served:
        served.raw(request("POST", CHAT, body("Hello", tools=[TOOL]), Connection="close"))
        received: list[bytes] = []
        grown = grown_by(served, lambda: received.append(served.raw(sent)))
    data = received[0].partition(b"\r\n\r\n")[2]
    assert data.count(b"x" * 100) >= 1, "the text of what is no call is not lost"
    print(f"4 MB of arguments, stream {stream}: the worker grew by {grown:.0f} MiB at its peak")
    assert grown < 64


FIELDS = b"".join(b"X-Field-%d: %b\r\n" % (number, b"x" * 16_000) for number in range(95))
UNFINISHED = {
    "heads": request("POST", CHAT)[:-2] + FIELDS,
    "fields behind chunks": request("POST", CHAT, None, Transfer_Encoding="chunked").replace(
        b"Content-Length: 0\r\n", b""
    )
    + b"2\r\n{}\r\n0\r\n"
    + FIELDS,
}


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
def test_7_fields_without_an_end_take_little_memory_and_keep_nobody_out(tmp_path: Path, sent: bytes) -> None:
    """Before, a hundred of these took 300 MB, and gunicorn's search for their end stopped the worker for a minute."""
    with serving(tmp_path) as served, ExitStack() as stack:
        served.ask("POST", CHAT, body("Hello"))

        def fill() -> None:
            stack.enter_context(crowd(served, 100, sent))
            assert served.ask("GET", "/health")

        grown = grown_by(served, fill)
    print(f"a hundred times {len(sent) / MIB:.1f} MiB of fields: the worker grew by {grown:.0f} MiB at its peak")
    assert grown < 32


@pytest.mark.timeout(300)
def test_7_large_texts_that_are_refused_take_memory_in_proportion(tmp_path: Path) -> None:
    """One character beyond the basic plane makes Python hold four bytes for each character of a text."""
    sent = request("POST", CHAT, body("x" * 3_500_000 + "\U0001f600"), Connection="close")
    with serving(tmp_path) as served:

        def send(number: int) -> None:
            with ThreadPoolExecutor(number) as pool:
                answers = list(pool.map(served.raw, [sent] * number))
            assert {answer[9:12] for answer in answers} == {b"400"}

        def send_in_turn() -> None:
            for _ in range(10):
                send(1)

        send(1)
        in_turn = grown_by(served, send_in_turn)
        at_once = grown_by(served, lambda: send(8))
    print(f"texts of 3.5 MB: ten in turn {in_turn:.0f} MiB, eight at once {at_once:.0f} MiB at the peak")
    assert in_turn < 72
    assert at_once < 112


@pytest.mark.timeout(300)
def test_7_a_thousand_bodies_that_lack_ten_bytes_share_the_budget(tmp_path: Path) -> None:
    sent = request("POST", CHAT, {**body("Hello"), "user": "x" * LARGE})[:-10]
    with serving(tmp_path) as served, ExitStack() as stack:

        def fill() -> None:
            for _ in range(1000):
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=20))
                with contextlib.suppress(ConnectionError):
                    sock.sendall(sent)
            until(lambda: whole_is_served(served), what="a whole large body is served")

        grown = grown_by(served, fill)
        assert served.ask("POST", CHAT, body("Hello"))["choices"]
    print(f"a thousand unfinished bodies: the worker grew by {grown:.0f} MiB at its peak")
    assert grown < 160


def test_7_a_waiting_response_keeps_little_for_its_metadata(tmp_path: Path) -> None:
    metadata = {f"{number:02}{'n' * 62}": "x" * 512 for number in range(16)}
    asked = {"model": "deepseek-r1:1.5b", "input": "wait", "stream": True}
    many, plain = (request("POST", "/v1/responses", {**asked, **more}) for more in ({"metadata": metadata}, {}))
    with serving(tmp_path) as served:
        for sent in (plain, many):
            with crowd(served, 5, sent) as warm:
                assert [status(sock) for sock in warm] == [200] * 5
        grown = []
        for sent in (plain, many):
            with ExitStack() as stack:
                grown.append(grown_by(served, lambda: taken(served, stack, sent)))  # noqa: B023 - it is called at once
        refused = {**asked, "metadata": {"x": "y" * LARGE}}
        answer = served.raw(request("POST", "/v1/responses", refused, Connection="close"))
        assert (answer[9:12], json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["param"]) == (b"400", "metadata")
    print(f"a hundred waiting responses: {grown[0]:.1f} MiB, with all metadata that is allowed {grown[1]:.1f} MiB")
    assert grown[1] < 24


def test_7_waiting_jobs_keep_no_reasoning_of_earlier_answers(tmp_path: Path) -> None:
    earlier = {"role": "assistant", "content": f"<think>\U0001f914{'x' * 1_700_000}</think>ok"}
    wait = body("wait")["messages"]
    sent = request("POST", CHAT, {**body("wait", stream=True), "messages": [earlier, *wait]})
    with serving(tmp_path) as served, ExitStack() as stack:
        with crowd(served, 1, sent) as warm:
            assert status(warm[0]) == 200
        grown = grown_by(served, lambda: taken(served, stack, sent, 20))
    print(f"twenty waiting jobs with 1.7 MB of reasoning each: the worker grew by {grown:.0f} MiB at its peak")
    assert grown < 64


def taken(served: Served, stack: ExitStack, sent: bytes, number: int = 100) -> None:
    held = stack.enter_context(crowd(served, number, sent))
    assert Counter(status(sock) for sock in held) == {200: number}
