"""A body of very many values is refused before it is parsed, and large bodies are parsed one at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from bpu.server.chunked_body import FREE_CHUNKS, LEAST_MEAN_BYTES
from bpu.web import body_parsing
from bpu.web.body_parsing import MAX_VALUES, TooManyValues, check_values
from tests.unit.chat.kit import PROPERTY
from tests.unit.web.bodies import JSON
from tests.unit.web.conftest import FlaskClient
from tests.unit.web.test_connections import crowd, request, status
from tests.unit.web.test_gunicorn import CHAT, body, serving

PATHS = {
    CHAT: body("Hello"),
    "/v1/responses": {"model": "deepseek-r1:1.5b", "input": "Hello"},
    "/v1/completions": {"model": "deepseek-r1:1.5b", "prompt": "Hello"},
}
#: Each is more than the limit, and the first two are as many as fit a body.
MANY = {
    "objects": [{}] * 1_300_000,
    "numbers": [1] * 1_300_000,
    "lists": [[[]]] * (MAX_VALUES // 2),
    "strings": ["x"] * MAX_VALUES,
    "names": {f"{number}": 1 for number in range(MAX_VALUES)},
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("many", MANY.values(), ids=MANY.keys())
def test_1_a_body_of_too_many_values_is_refused(client: FlaskClient, path: str, many: Any) -> None:
    response = client.post(path, data=json.dumps({**PATHS[path], "metadata": many}, separators=(",", ":")))
    error = response.get_json()["error"]
    assert (response.status_code, error["code"], error["type"]) == (413, "request_too_large", "invalid_request_error")
    assert str(MAX_VALUES) in error["message"]
    assert "Send fewer" in error["message"]


def test_1_such_a_body_is_refused_before_it_is_parsed(client: FlaskClient) -> None:
    broken = json.dumps(PATHS[CHAT])[:-1] + ',"metadata":[' + "{}," * 1_000_000
    assert client.post(CHAT, data=broken).status_code == 413


@pytest.mark.parametrize(
    "text", ["{}," * 400_000, '"[,' * 300_000, "\\" * 200_000 + "," * 300_000, '\\",' * 200_000, "\\,{[" * 200_000]
)
def test_1_what_stands_in_strings_is_not_counted(client: FlaskClient, text: str) -> None:
    asked = {**PATHS[CHAT], "user": text}
    assert client.post(CHAT, data=json.dumps(asked)).status_code == 200
    assert client.post(CHAT, data=json.dumps({**asked, "metadata": [1] * MAX_VALUES})).status_code == 413


def counted(value: Any) -> int:
    """The values inside `value`; an empty list or object is two, because its bracket opens as another's does."""
    if not isinstance(value, (dict, list)):
        return 0
    inner = list(value.values()) if isinstance(value, dict) else value
    return len(inner) + sum(map(counted, inner)) if inner else 1


@given(JSON)
@PROPERTY
def test_1_a_body_is_refused_by_the_number_of_its_values(value: Any) -> None:
    data = json.dumps([value]).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body_parsing, "MAX_VALUES", counted([value]))
        check_values(data)
        patch.setattr(body_parsing, "MAX_VALUES", counted([value]) - 1)
        with pytest.raises(TooManyValues):
            check_values(data)


ORDER = """
import os
from bpu import gevent_io
from bpu.web.body_parsing import ParsingQueue

queue, order = ParsingQueue(), []
inlet, outlet = os.pipe()

def parse(number):
    with queue.turn():
        order.append(f"parse {number}")
        os.write(outlet, b"a request of another client")

def other():
    reader = gevent_io.Reader(inlet)
    while len(order) < 6:
        reader.wait(None)
        os.read(inlet, 99)
        order.append("other")
    reader.close()

threads = [gevent_io.spawn(lambda number=number: parse(number)) for number in range(3)] + [gevent_io.spawn(other)]
for thread in threads:
    thread.join()
print(",".join(order))
"""


def test_1_others_are_served_between_the_parsing_of_two_bodies() -> None:
    done = subprocess.run([sys.executable, "-c", ORDER], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "parse 0,other,parse 1,other,parse 2,other"


@pytest.mark.live
def test_1_many_large_bodies_at_once_are_answered_and_so_is_everybody_else(tmp_path: Path) -> None:
    many = request("POST", CHAT, {**body("Hello"), "metadata": [{}] * 700_000})
    large = request("POST", CHAT, {**body("Hello"), "user": "x" * 3_000_000})
    with serving(tmp_path) as served, crowd(served, 12, many) as refused, crowd(served, 12, large) as taken:
        assert served.ask("GET", "/health")["status"] == "ok"
        assert {status(sock) for sock in refused} == {413}
        assert {status(sock) for sock in taken} <= {200, 503}


CHUNKED = request("POST", CHAT, None, Transfer_Encoding="chunked", Connection="close").replace(
    b"Content-Length: 0\r\n", b""
)


def in_chunks(data: bytes, size: int, fields: bytes = b"") -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces) + b"0\r\n" + fields + b"\r\n"


@pytest.mark.live
def test_1_a_body_in_very_many_tiny_chunks_is_refused_and_one_in_many_is_read(tmp_path: Path) -> None:
    short = json.dumps(body("Hello", user="x" * 3000)).encode()
    long = json.dumps(body("Hello", user="x" * 1_000_000)).encode()
    with serving(tmp_path) as served:
        assert len(short) < FREE_CHUNKS
        for sent in (in_chunks(short, 1), in_chunks(long, 2 * LEAST_MEAN_BYTES), in_chunks(short, 99, b"X-Sum: 1\r\n")):
            assert served.raw(sent).startswith(b"HTTP/1.1 200 ")
        for sent in (in_chunks(long[:100_000], 1), in_chunks(long, LEAST_MEAN_BYTES // 2)):
            head, _, data = served.raw(sent).partition(b"\r\n\r\n")
            assert (head[9:12], json.loads(data)["error"]["code"]) == (b"400", "invalid_http")
