"""Base64 data taken out of a body: what is left parses, the data comes back, and no client can name it."""

from __future__ import annotations

import base64
import json
import random

import pytest

from bpu.web.lifted_data import LiftedData

PIECE = 16 * 1024


#: How images begin in base64, alone and in a data URL.
HEADS = ("/9j/", "_9j_", "iVBORw0KGgo", "R0lGODlh", "Qk02", "UklGRg", "data:image/heic;base64,", "data:;base64,Qk02")


def cut(body: bytes, size: int = PIECE) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def lifted(body: bytes) -> tuple[LiftedData, bytes]:
    data = LiftedData()
    return data, b"".join(data.filter(cut(body)))


@pytest.mark.parametrize("size", [0, 1000, 3 * PIECE, 40 * PIECE])
@pytest.mark.parametrize("offset", [0, 1, 7777])
def test_the_data_comes_back_as_it_was(size: int, offset: int) -> None:
    text = base64.b64encode(random.Random(size).randbytes(size)).decode()
    body = {"pad": "." * offset, "image": f"data:image/png;base64,{text}", "after": [1, '\\u00e9 " \\ x']}
    data, rest = lifted(json.dumps(body).encode())
    parsed = json.loads(rest)
    assert b"".join(data.pieces_of(parsed["image"])).decode() == body["image"]
    assert (parsed["pad"], parsed["after"]) == (body["pad"], body["after"])
    assert len(rest) < 4 * PIECE + offset + 200 or size < 3 * PIECE
    assert data.is_used_up_by([parsed["image"]])


def test_several_images_are_kept_apart() -> None:
    texts = [f"{head}{'A' * (5 * PIECE)}" for head in HEADS]
    data, rest = lifted(json.dumps(texts).encode())
    for mark, text in zip(json.loads(rest), texts, strict=True):
        assert b"".join(data.pieces_of(mark)).decode() == text
    assert not data.is_used_up_by(json.loads(rest)[1:])


def test_a_text_that_looks_like_a_mark_is_none() -> None:
    data, rest = lifted(
        json.dumps(["/9j/" + "A" * (5 * PIECE), "*00000000000000000000000000000000.0*", "*.0*"]).encode()
    )
    _, *others = json.loads(rest)
    for text in others:
        assert data.pieces_of(text) == (text.encode(),)
    assert not data.is_used_up_by(others)


@pytest.mark.parametrize(
    "text", ["ab" * 100_000, "1" * 200_000, "word " * 40_000, "é" * 100_000, "A\\n" * 40_000, '"' * 50_000]
)
def test_other_long_texts_stay_where_they_are(text: str) -> None:
    body = json.dumps([text]).encode()
    data, rest = lifted(body)
    assert rest == body
    assert data.size == 0
