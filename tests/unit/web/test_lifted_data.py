"""Base64 data taken out of a body: what is left parses, the data comes back, and no client can name it."""

from __future__ import annotations

import base64
import json
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from itertools import product

import pytest

from bpu.images.data import ImageData
from bpu.web.lifted_data import lift

PIECE = 16 * 1024


#: How images begin in base64, alone and in a data URL.
HEADS = ("/9j/", "_9j_", "iVBORw0KGgo", "R0lGODlh", "Qk02", "UklGRg", "data:image/heic;base64,", "data:;base64,Qk02")


def cut(body: bytes, size: int = PIECE) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


@pytest.fixture
def data() -> Iterator[ImageData]:
    with ImageData() as made:
        yield made


def lifted(body: bytes, data: ImageData, size: int = PIECE) -> bytes:
    return b"".join(lift(cut(body, size), data))


def text_of(data: ImageData, mark: str) -> str:
    """What a text of the parsed body stands for, its JSON escapes undone."""
    raw = b"".join(os.pread(data.fd, size, at) for at, size in data.spans_of(mark))
    return str(json.loads(b'"' + raw + b'"'))


@pytest.mark.parametrize("size", [0, 1000, 3 * PIECE, 40 * PIECE])
@pytest.mark.parametrize(("offset", "piece"), [(0, PIECE), (1, PIECE), (7777, 1000), (PIECE - 20, PIECE), (0, 1)])
def test_the_data_comes_back_as_it_was(size: int, offset: int, piece: int, data: ImageData) -> None:
    if piece == 1:
        size = min(size, 3 * PIECE)
    text = base64.b64encode(random.Random(size).randbytes(size)).decode()
    body = {"pad": "." * offset, "image": f"data:image/png;base64,{text}", "after": [1, '\\u00e9 " \\ x']}
    rest = lifted(json.dumps(body).encode(), data, piece)
    parsed = json.loads(rest)
    assert parsed["image"].startswith("data:image/png;base64,")
    assert text_of(data, parsed["image"]) == body["image"]
    assert (parsed["pad"], parsed["after"]) == (body["pad"], body["after"])
    assert len(rest) < offset + 300 or size < 3 * PIECE
    assert data.is_used_up_by([parsed["image"]])


def test_several_images_are_kept_apart_and_equal_ones_once(data: ImageData) -> None:
    texts = [f"{head}{number}{'A' * (5 * PIECE)}" for number, head in enumerate(HEADS)]
    marks = json.loads(lifted(json.dumps(texts + texts).encode(), data))
    assert data.size < len(HEADS) * (6 * PIECE)
    assert marks[: len(texts)] == marks[len(texts) :]
    assert len(set(marks)) == len(texts)
    for mark, text in zip(marks, texts, strict=False):
        assert text_of(data, mark) == text
    assert not data.is_used_up_by(marks[1 : len(texts)])


LINES = "\r\n".join(["A" * 76] * 2000)
#: Strings as clients write them: PHP escapes `/`, .NET escapes `+`, e-mail has line breaks.
WRITTEN = {
    "line breaks": json.dumps(LINES),
    "PHP": json.dumps("iVBORw0KGgo" + "a/b+" * 20_000).replace("/", "\\/"),
    "PHP with a JPEG": json.dumps("/9j/" + "a/b+" * 20_000).replace("/", "\\/"),
    ".NET": json.dumps("iVBORw0KGgo" + "a/b+" * 20_000).replace("+", "\\u002B"),
    "a JPEG in \\u002f": json.dumps("/9j/" + "a/b+" * 20_000).replace("/", "\\u002f"),
    "a scheme in capitals": json.dumps("DATA:image/png;base64," + "a/b+" * 20_000),
    "URL alphabet": json.dumps("_9j_" + "a-b_" * 20_000),
}


@pytest.mark.parametrize(("name", "piece"), list(product(WRITTEN, [PIECE, 1001])))
def test_data_is_lifted_however_a_client_writes_it(name: str, piece: int, data: ImageData) -> None:
    string = WRITTEN[name]
    if name == "line breaks":
        string = f'"data:image\\/png;base64,{string[1:]}'
    rest = lifted(f'[1, {string}, "after"]'.encode(), data, piece)
    assert len(rest) < 200
    assert text_of(data, json.loads(rest)[1]) == json.loads(string)


def test_a_text_that_looks_like_a_mark_is_none(data: ImageData) -> None:
    rest = lifted(
        json.dumps(["/9j/" + "A" * (5 * PIECE), "*00000000000000000000000000000000.0*", "*.0*"]).encode(), data
    )
    _, *others = json.loads(rest)
    for text in others:
        assert text_of(data, text) == text
    assert not data.is_used_up_by(others)


@pytest.mark.parametrize(
    "text",
    [
        *("ab" * 100_000, "1" * 200_000, "word " * 40_000, "é" * 100_000, "A\\n" * 40_000, '"' * 50_000),
        *('"data:image/png;base64,' + "A" * 100_000, "\\" * 100_000, '"data:,' * 30_000, "data:image/png;base64,é" * 9),
    ],
)
def test_other_long_texts_stay_where_they_are(text: str, data: ImageData) -> None:
    body = json.dumps([text]).encode()
    assert lifted(body, data) == body
    assert data.size == 0


def test_no_body_means_anything_else_after_lifting(data: ImageData) -> None:
    """Random bodies of the very bytes that matter, in pieces of random sizes."""
    chance = random.Random(17)
    words = ['"', "\\", "data:image/png;base64,", "/9j/", "A" * 300, "A" * 33_000, "\\n", "\\/", "\\u00", "é", ",", " "]
    for _ in range(300):
        text = "".join(chance.choice(words) for _ in range(chance.randint(1, 20)))
        for body in (f'["{text}"]'.encode(), json.dumps([text, "/9j/" + "A" * 33_000]).encode()):
            rest = lifted(body, data, chance.randint(1, 2) * chance.randint(500, 40_000))
            with suppress(ValueError):
                strings = json.loads(body)
                marks = json.loads(rest)
                if all("\\u00" not in one for one in strings):
                    assert [text_of(data, mark) for mark in marks] == strings
