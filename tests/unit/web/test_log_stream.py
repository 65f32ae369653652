"""The console's log as a stream: what there is, then what comes, each line once."""

from __future__ import annotations

import pytest

from bpu.web.log_stream import COMMENT_EVERY_POLLS, LogPoller, new_lines
from bpu.web.stream_registry import StreamRegistry
from tests.unit.web.conftest import Serve
from tests.unit.web.fakes import FakeEngine


@pytest.mark.parametrize(
    ("seen", "now", "new"),
    [
        ("", "abc", "abc"),
        ("abc", "abc", ""),
        ("abc", "abcd", "d"),
        ("abc", "bcd", "d"),
        ("abc", "xyz", "xyz"),
        ("aaa", "aab", "b"),
        ("abc", "", ""),
    ],
)
def test_each_line_is_new_once(seen: str, now: str, new: str) -> None:
    assert list(new_lines(list(seen), list(now))) == list(new)


def test_lines_go_out_as_they_come_and_a_sign_of_life_between() -> None:
    lines = ["[I] one"]
    streams = StreamRegistry(1, period_s=0)
    stream = streams.events(LogPoller(lambda: lines).poll)
    assert next(stream) == b'data: {"line": "[I] one"}\n\n'
    lines.append("[E] \u4e8c")
    assert next(stream) == b'data: {"line": "[E] \\u4e8c"}\n\n'
    assert next(stream) == b": keep-alive\n\n"
    lines.append("[I] three")
    assert b"three" in next(stream)
    assert COMMENT_EVERY_POLLS > 1
    streams.stop()
    assert list(stream) == []


def test_the_stream_ends_when_the_worker_stops(serve: Serve, engine: FakeEngine) -> None:
    engine.picture["log"] = ["[I] loaded"]
    client = serve()
    response = client.get("/v1/logs", buffered=False)
    assert response.content_type.startswith("text/event-stream")
    first = next(iter(response.response))
    assert first == b'data: {"line": "[I] loaded"}\n\n'
    client.application.extensions["bpu"].close()
    assert response.data == b""
