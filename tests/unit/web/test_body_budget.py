"""All bodies under way share one budget, and what is kept while a job waits is small: rules, then the real gunicorn."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bpu.errors import Overloaded
from bpu.web.body_budget import BodyBudget
from tests.support.waits import until
from tests.unit.web.conftest import FlaskClient
from tests.unit.web.test_connections import anonymous_memory, crowd, request, status
from tests.unit.web.test_gunicorn import CHAT, Served, body, serving

MIB = 1 << 20
LARGE = 4_000_000


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_bodies_that_grow_share_the_budget_and_one_more_is_refused() -> None:
    clock, dropped = Clock(), list[str]()
    budget = BodyBudget(100, clock)
    first, second = (budget.open(partial(dropped.append, name)) for name in ("first", "second"))
    first.take(60)
    with pytest.raises(Overloaded):
        second.take(50)
    second.take(40)
    second.close()
    first.take(40)
    assert dropped == []


def test_the_body_that_has_stalled_longest_gives_way() -> None:
    clock, dropped = Clock(), list[str]()
    budget = BodyBudget(100, clock)
    names = ("first", "second", "third")
    first, second, third = (budget.open(partial(dropped.append, name)) for name in names)
    for share in (second, first):
        share.take(50)
        clock.now += 2
    third.take(40)
    assert dropped == ["second"]
    third.take(60)
    assert dropped == ["second", "first"]
    with pytest.raises(Overloaded):
        third.take(1)


def test_7_a_body_that_waits_to_be_parsed_keeps_its_share() -> None:
    clock, dropped = Clock(), list[str]()
    budget = BodyBudget(100, clock)
    whole, other = budget.open(lambda: dropped.append("whole")), budget.open(lambda: dropped.append("other"))
    whole.take(60)
    whole.complete()
    clock.now += 60
    with pytest.raises(Overloaded):
        other.take(50)
    assert (dropped, budget.held) == ([], 60)


def unfinished(text: str = "Hello") -> bytes:
    """A large request without its last ten bytes."""
    return request("POST", CHAT, {**body(text), "user": "x" * LARGE})[:-10]


@pytest.mark.live
def test_bodies_that_lack_their_last_bytes_hold_no_more_than_the_budget(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        assert served.ask("POST", CHAT, body("Hello"))
        before, most = anonymous_memory(served), 0.0
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                sock = stack.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=20))
                with contextlib.suppress(ConnectionError):
                    sock.sendall(unfinished())
                most = max(most, anonymous_memory(served) - before)
            # Those that have stalled give way to one that does not.
            until(lambda: whole_is_served(served), what="a whole large body is served")
        print(f"sixty unfinished bodies: the worker grew by {most:.0f} MiB")
        assert most < 150


def whole_is_served(served: Served) -> bool:
    answer = served.raw(request("POST", CHAT, {**body("Hello"), "user": "x" * LARGE}, Connection="close"))
    assert answer[9:12] in (b"200", b"503"), answer[:200]
    return answer[9:12] == b"200"


@pytest.mark.live
def test_small_bodies_are_read_while_large_ones_fill_the_budget(tmp_path: Path) -> None:
    with serving(tmp_path, BPU_BODY_BUDGET_BYTES="4194304") as served, crowd(served, 4, unfinished()):
        for _ in range(5):
            assert served.ask("POST", CHAT, body("Hello"))["choices"]


@pytest.mark.long
@pytest.mark.live
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/responses", lambda objects: {"unknown": objects}),
        (CHAT, lambda objects: {"metadata": {"x": objects}}),
        ("/v1/completions", lambda objects: {"unknown": objects}),
    ],
    ids=["responses", "chat", "completions"],
)
def test_little_is_kept_while_a_job_waits(
    tmp_path: Path, path: str, field: Callable[[Any], dict[str, Any]], stream: bool
) -> None:
    many_objects: list[Any] = [{"x": 1}] * 49_000  # JSON that takes many times its length in memory
    asked = {
        "/v1/responses": {"model": "deepseek-r1:1.5b", "input": "wait"},
        CHAT: body("wait"),
        "/v1/completions": {"model": "deepseek-r1:1.5b", "prompt": "wait"},
    }[path]
    sent = request("POST", path, {**asked, "stream": stream, **field(many_objects)})
    small = request("POST", path, {**asked, "stream": stream})
    with serving(tmp_path, BPU_HEADER_DRIP_S="0.1", BPU_KEEPALIVE_S="0.1") as served:
        with crowd(served, 2, small) as first:
            assert [status(sock) for sock in first] == [200] * 2
        with crowd(served, 1, sent) as first:  # memory that the interpreter keeps for the next body
            assert [status(sock) for sock in first] == [200]
            before = anonymous_memory(served)
            with crowd(served, 15, sent) as waiting:
                assert [status(sock) for sock in waiting] == [200] * 15
                grown = anonymous_memory(served) - before
        print(f"{path}: fifteen waiting jobs keep {grown:.1f} MiB")
        assert grown < 60


def post(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    response = client.post("/v1/responses", json={"model": "deepseek-r1:1.5b", "input": "Hello", **fields})
    return {"status": response.status_code, **response.get_json()}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata", {f"name{number}": "x" for number in range(17)}),
        ("metadata", {"n" * 65: "x"}),
        ("metadata", {"name": "x" * 513}),
        ("tools", [{"type": "function", "name": "f", "description": "x" * 200_000}]),
        ("reasoning", {"effort": "low", "more": ["x"] * 50_000}),
    ],
)
def test_what_a_response_repeats_is_limited(client: FlaskClient, field: str, value: Any) -> None:
    more = {"tool_choice": "none"} if field == "tools" else {}
    answer = post(client, **{field: value}, **more)
    assert (answer["status"], answer["error"]["param"]) == (400, field)


def test_metadata_within_the_limits_comes_back(client: FlaskClient) -> None:
    metadata = {f"{number}{'n' * 62}": "x" * 512 for number in range(16)}
    assert post(client, metadata=metadata)["metadata"] == metadata
