"""The status stream: a change is sent at once, a clock alone is no change, and a stop ends it at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

from bpu.web.status_stream import StatusPoller
from bpu.web.stream_registry import StreamRegistry


class Clock:
    """Seconds that go on by one with each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def event(line: bytes) -> dict[str, Any]:
    assert line.startswith(b"data: ")
    assert line.endswith(b"\n\n")
    assert line.count(b"\n") == 2
    return dict(json.loads(line[6:]))


def stream_of(poller: StatusPoller) -> Iterator[bytes]:
    return StreamRegistry(1, period_s=0).events(poller.poll)


def test_the_first_event_comes_at_once_with_engine_and_board() -> None:
    poller = StatusPoller(lambda: {"state": "ready"}, lambda: {"memory": []})
    assert event(next(stream_of(poller))) == {"engine": {"state": "ready"}, "board": {"memory": []}}


def test_what_only_counts_time_is_no_news() -> None:
    pictures = [
        {"state": "busy", "since_s": 1.0, "waiting": [{"id": "a", "age_s": 1.0}]},
        {"state": "busy", "since_s": 2.0, "waiting": [{"id": "a", "age_s": 2.0}]},
        {"state": "busy", "since_s": 3.0, "waiting": []},
    ]
    looks = iter(pictures)
    stream = stream_of(StatusPoller(lambda: next(looks), refresh_s=100))
    assert event(next(stream))["engine"] == pictures[0]
    assert event(next(stream))["engine"] == pictures[2]


def test_without_news_it_still_says_something_now_and_then() -> None:
    clock = Clock()
    stream = stream_of(StatusPoller(lambda: {"state": "ready"}, refresh_s=5, clock=clock))
    next(stream)
    said = clock.now
    next(stream)
    assert clock.now - said == 5


def test_a_stop_ends_every_stream_while_it_waits() -> None:
    streams = StreamRegistry(1, period_s=3600)
    begun = threading.Barrier(4)
    ended: list[Any] = []

    def follow() -> None:
        stream = streams.events(StatusPoller(lambda: {"state": "ready"}).poll)
        next(stream)
        begun.wait()
        ended.extend(stream)

    threads = [threading.Thread(target=follow) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    streams.stop()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert ended == []
    assert list(streams.events(StatusPoller(lambda: {"state": "ready"}).poll)) == []


def test_odd_words_stay_on_one_line() -> None:
    line = next(stream_of(StatusPoller(lambda: {"error": "one\ntwo\u2028three"})))
    assert line.isascii()
    assert event(line)["engine"]["error"] == "one\ntwo\u2028three"
