"""Answers that go on without their reader: a reload finds them again, from any worker, with the token and the key."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.gateway import Gateway, running, sim
from tests.support.waits import until

SLOW = "--prefill-rate 0 --decode-rate 60 --load-seconds 0"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Three workers that share the connections, so that a reload nearly always meets another one."""
    options: dict[str, Any] = {"workers": 3, "reuse_port": True, "env": {"BPU_CONSOLE_ARGS": SLOW}}
    with running(tmp_path_factory.mktemp("site"), **options) as gateway:
        yield gateway


OPENED: list[Answer] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Every connection of a test is closed at its end."""
    yield
    while OPENED:
        OPENED.pop().leave()


class Answer:
    """A streamed answer that was asked for with `X-BPU-Detach`, or one that is taken up again."""

    def __init__(self, site: Gateway, method: str, path: str, body: object = None, **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, {"Content-Type": "application/json", **sent})
        self._response = self._connection.getresponse()
        OPENED.append(self)
        self.status = self._response.status
        self.token = self._response.headers.get("X-BPU-Resume", "")
        self.id = self._response.headers.get("X-Request-Id", "")

    def until(self, part: bytes) -> bytes:
        """What has come once `part` is in it."""
        got = b""
        while part not in got:
            line = self._response.readline()
            assert line, got
            got += line
        return got

    def read_to_end(self) -> bytes:
        return self._response.read()

    def text(self) -> str:
        return said(self.read_to_end())

    def leave(self) -> None:
        self._connection.close()
        self._response.close()


def said(stream: bytes) -> str:
    """The answer's words in a stream that must be whole."""
    lines = [line[6:] for line in stream.decode().splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.get("choices", ())]
    return "".join((delta.get("reasoning_content") or "") + (delta.get("content") or "") for delta in deltas)


def ask(site: Gateway, text: str, **headers: str) -> Answer:
    body = {"model": "deepseek-r1:1.5b", "stream": True, "messages": [{"role": "user", "content": text}]}
    return Answer(site, "POST", "/v1/chat/completions", body, X_BPU_Detach="1", **headers)


def resume(site: Gateway, token: str, **headers: str) -> Answer:
    return Answer(site, "GET", "/v1/detached", X_BPU_Resume=token, **headers)


def free(site: Gateway) -> None:
    """The engine has nothing to do, so the places of earlier answers can be taken."""
    until(lambda: site.slots()["slots"][0]["job"] is None and not site.slots()["waiting"], what="the engine is free")


def test_a_reader_that_stays_gets_what_every_client_gets(site: Gateway) -> None:
    free(site)
    detached = ask(site, sim("x", tokens=30, seed=7))
    assert len(detached.token) == 32
    assert detached.text() == site.stream(sim("x", tokens=30, seed=7)).read_to_end().text


def test_an_answer_goes_on_without_its_reader_and_is_found_again_by_every_worker(site: Gateway) -> None:
    free(site)
    first = ask(site, sim("x", tokens=150))
    head = first.until(b"content")
    first.leave()
    readers = [resume(site, first.token) for _ in range(6)]
    texts = {reader.text() for reader in readers}
    assert len(texts) == 1
    assert len(texts.pop()) > 300
    assert head
    assert resume(site, first.token).text(), "it is there after its end, too"


def test_a_client_that_asked_for_nothing_still_frees_the_board(site: Gateway) -> None:
    free(site)
    stream = site.stream(sim("x", tokens=2000, rate=20)).until_text()
    stream.close()
    free(site)
    assert site.slots()["slots"][0]["job"] is None, "2,000 tokens at this rate would take 100 s"


def test_only_the_token_and_the_key_lead_to_an_answer(site: Gateway) -> None:
    free(site)
    answer = ask(site, sim("x", tokens=20), Authorization="Bearer one")
    token = answer.token
    assert answer.text()
    assert resume(site, token, Authorization="Bearer one").status == 200
    for wrong in (resume(site, token), resume(site, token, Authorization="Bearer two"), resume(site, "0" * 32)):
        assert wrong.status == 404
        assert json.loads(wrong.read_to_end())["error"]["code"] == "answer_not_kept"
    assert Answer(site, "GET", "/v1/detached").status == 404


def test_stop_ends_it_at_once(site: Gateway) -> None:
    free(site)
    answer = ask(site, sim("x", tokens=2000, rate=20))
    answer.until(b"content")
    answer.leave()
    assert site.request("POST", f"/v1/jobs/{answer.id}/cancel", {})[0] == 200
    free(site)
    assert b"job_cancelled" in resume(site, answer.token).read_to_end()


def test_a_client_has_two_places_and_a_third_answer_is_an_ordinary_one(site: Gateway) -> None:
    free(site)
    running_ones = [ask(site, sim("x", tokens=2000, rate=20)) for _ in range(2)]
    third = ask(site, sim("x", tokens=5))
    try:
        assert [bool(answer.token) for answer in (*running_ones, third)] == [True, True, False]
    finally:
        for answer in running_ones:
            site.request("POST", f"/v1/jobs/{answer.id}/cancel", {})
    assert third.text()
    # Both have ended: a new answer takes the place of the older one.
    latest = ask(site, sim("x", tokens=5))
    assert latest.token
    assert latest.text()


def test_its_files_are_private_and_hold_no_token(site: Gateway) -> None:
    free(site)
    answer = ask(site, sim("x", tokens=5))
    assert answer.text()
    folder = site.state_dir / "detached"
    assert folder.stat().st_mode & 0o077 == 0
    files = list(folder.iterdir())
    assert files
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    assert not [path for path in files if answer.token.encode() in path.read_bytes()]


def test_a_worker_that_is_killed_takes_its_answers_with_it(tmp_path: Path) -> None:
    with running(tmp_path, workers=1, env={"BPU_CONSOLE_ARGS": SLOW}) as site:
        answer = ask(site, sim("x", tokens=2000, rate=20))
        answer.until(b"content")
        for worker in site.workers():
            worker.kill()
        site.wait_for("ready")
        for path in (site.state_dir / "detached").glob("*.json"):
            age(path, 60)
        assert resume(site, answer.token).status == 404


@pytest.mark.parametrize("way", ["reload", "restart of the worker"])
def test_it_ends_by_itself_although_its_worker_is_replaced(tmp_path: Path, way: str) -> None:
    """Its reader has left, so no connection keeps the worker."""
    with running(tmp_path, workers=1, env={"BPU_CONSOLE_ARGS": SLOW}) as site:
        answer = ask(site, sim("x", tokens=120, rate=40))
        answer.until(b"content")
        answer.leave()
        [worker] = site.workers()
        if way == "reload":
            site.send_signal(signal.SIGHUP)
        else:
            worker.terminate()
        until(lambda: [other for other in site.workers() if other.pid != worker.pid], what="the next worker")
        assert len(resume(site, answer.token).text()) > 300
        worker.wait(30)
        assert site.loads() == (1, {})


def test_a_stop_ends_it_with_an_error_after_the_graceful_time(tmp_path: Path) -> None:
    with running(tmp_path, workers=1, env={"BPU_CONSOLE_ARGS": SLOW, "BPU_GRACEFUL_S": "1"}) as site:
        answer = ask(site, sim("x", tokens=4000, rate=20))
        answer.until(b"content")
        answer.leave()
        assert site.stop() == 0
        [path] = (site.state_dir / "detached").glob("*.sse")
        assert b"The gateway is stopping" in path.read_bytes()


def test_without_a_reader_for_two_minutes_it_is_cancelled(tmp_path: Path) -> None:
    """The time of the last reader is a file's: it is set back instead of waited for."""
    with running(tmp_path, workers=1, env={"BPU_CONSOLE_ARGS": SLOW}) as site:
        answer = ask(site, sim("x", tokens=4000, rate=10))
        answer.until(b"content")
        answer.leave()
        [path] = (site.state_dir / "detached").glob("*.read")
        until(lambda: age(path, 200) and site.slots()["slots"][0]["job"] is None, what="the job was cancelled")
        assert site.slots()["waiting"] == []


def age(path: Path, seconds: float) -> bool:
    if path.exists():
        os.utime(path, (time.monotonic() - seconds,) * 2)
    return True


def test_its_line_in_the_log_and_its_figures_come_at_its_own_end(tmp_path: Path) -> None:
    """The reader leaves long before: what is counted is the whole answer."""
    with running(tmp_path, workers=1, env={"BPU_CONSOLE_ARGS": SLOW}) as site:
        answer = ask(site, sim("x", tokens=120, rate=100))
        answer.until(b"content")
        answer.leave()
        until(lambda: site.json("GET", "/v1/activity")["data"], what="the request is over")
        [row] = site.json("GET", "/v1/activity")["data"]
        assert (row["tokens"], row["end"], row["client"]) == (120, "stop", "127.0.0.1")
        assert site.log.count(answer.id) == 1
        metrics = site.request("GET", "/metrics")[2].decode()
        assert "bpu_completion_tokens_total 120.0" in metrics
