"""Every stream of a gateway in tests is written down, and what is wrong in one of them is found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.gateway import Gateway, sim
from tests.live.wire import CHAT, MODEL, body, post
from tests.support.streams import check_recorded
from tests.support.waits import until


@pytest.fixture
def streams(start: Callable[..., Gateway], tmp_path: Path) -> Path:
    """What a gateway has written down of a stream from each endpoint, and of one that was left."""
    gateway = start()
    asked = {"model": MODEL, "prompt": "1+1=?", "stream": True}
    for path, sent in (
        (CHAT, body("1+1=?", stream=True)),
        ("/completions/", asked),
        ("/v1/responses", {"model": MODEL, "input": "1+1=?", "stream": True}),
    ):
        assert post(gateway, sent, path).status == 200
        assert post(gateway, {**sent, "stream": False}, path).status == 200
    gateway.stream(sim(tokens=3000, rate=100)).until_text().close()
    folder = gateway.state_dir.parent / "streams"
    until(lambda: not gateway.slots()["slots"][0]["is_processing"])
    return folder


def test_all_are_there_and_each_is_checked(streams: Path) -> None:
    assert check_recorded(streams) == 4
    left = [file for file in streams.iterdir() if file.suffix == ".begun"]
    assert len(left) == 1
    for file in streams.iterdir():
        whole = file.read_bytes()
        for broken in faults(whole, left=file in left):
            file.write_bytes(broken)
            with pytest.raises((AssertionError, ValueError)):
                check_recorded(streams)
        file.write_bytes(whole)
    assert check_recorded(streams) == 4


def faults(record: bytes, *, left: bool) -> list[bytes]:
    """The record with another id in its last event, an event in between that is none, and without its end."""
    head, _, data = record.partition(b"\n")
    events = data.split(b"\n\n")
    at = len(events) // 2
    identity = re.search(rb'"(?:chatcmpl-|cmpl-|resp_)\w+"', data)
    assert identity is not None
    assert json.loads(head)["asked"]["model"] == MODEL
    other = data.replace(identity.group(), b'"another"', 1)
    torn = b"\n\n".join([*events[:at], b": ping", *events[at:]])
    short = [] if left else [data[: data.rstrip().rfind(b"\n\n") + 2]]
    return [head + b"\n" + one for one in (other, torn, *short)]
