"""Images of a camera as data URIs, decoded again by another program's reader (matplotlib's PNG reader)."""

from __future__ import annotations

import base64
import io
from typing import Any

import matplotlib.image
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bpu.settings import load_settings
from tests.examples import ros2

# isort: split
from bpu_chat.images import MAX_COMPRESSED, MAX_SIDE, UnsupportedImage, compressed_uri, data_uri

assert ros2.PACKAGE


def pixels(uri: str) -> Any:
    """Rows of pixels, 0 to 255."""
    head, _, data = uri.partition(",")
    assert head == "data:image/png;base64"
    return (matplotlib.image.imread(io.BytesIO(base64.b64decode(data)), "png") * 255).round().astype(int)


RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.mark.parametrize(
    ("encoding", "red", "blue"),
    [
        ("rgb8", b"\xff\0\0", b"\0\0\xff"),
        ("bgr8", b"\0\0\xff", b"\xff\0\0"),
        ("rgba8", b"\xff\0\0\x01", b"\0\0\xff\x01"),
        ("bgra8", b"\0\0\xff\x01", b"\xff\0\0\x01"),
    ],
)
def test_colours_are_where_they_were(encoding: str, red: bytes, blue: bytes) -> None:
    row = red + blue + b"padding"
    found = pixels(data_uri(encoding, 2, 2, len(row), row + blue + red + b"padding"))
    assert [[tuple(map(int, one)) for one in line] for line in found] == [[RED, BLUE], [BLUE, RED]]


def test_grey_and_nv12_are_read() -> None:
    assert pixels(data_uri("mono8", 2, 1, 2, b"\x10\xf0")).tolist() == [[0x10, 0xF0]]
    # BT.601: red is Y 82, U 90, V 240.
    found = pixels(data_uri("nv12", 4, 2, 4, bytes([82] * 8 + [90, 240] * 2)))
    assert found.shape == (2, 4, 3)
    red, green, blue = found[0][0]
    assert red > 240
    assert max(green, blue) < 15


def test_a_large_image_becomes_small() -> None:
    found = pixels(data_uri("rgb8", 1920, 1080, 5760, bytes(5760 * 1080)))
    assert max(found.shape[:2]) <= MAX_SIDE
    assert found.shape[1] / found.shape[0] == pytest.approx(16 / 9, rel=0.02)


@given(
    st.sampled_from(["rgb8", "bgr8", "mono8", "nv12", "rgba8", "jpeg", "32FC1", ""]),
    st.integers(-1, 9),
    st.integers(-1, 9),
    st.integers(-1, 40),
    st.binary(max_size=300),
)
@example("jpeg", 0, 0, 0, b"\x89PNG\r\n\x1a\n")
def test_whatever_a_camera_sends_is_an_image_or_refused(
    encoding: str, width: int, height: int, step: int, data: bytes
) -> None:
    try:
        uri = data_uri(encoding, width, height, step, data)
    except UnsupportedImage:
        return
    assert encoding not in ("32FC1", "")
    if encoding != "jpeg":  # a file is sent as it is, if its first bytes are right: the gateway refuses a broken one
        assert pixels(uri).shape[:2] == (height, width)


def test_a_file_is_what_its_first_bytes_say() -> None:
    assert compressed_uri(b"\xff\xd8\xff\xe0rest").startswith("data:image/jpeg;base64,/9j/")
    assert data_uri("jpeg", 1, 1, 0, b"\x89PNG\r\n\x1a\nrest").startswith("data:image/png;")
    with pytest.raises(UnsupportedImage, match="neither"):
        compressed_uri(b"GIF89a")
    with pytest.raises(UnsupportedImage, match="bytes"):
        compressed_uri(b"\xff\xd8\xff" + bytes(MAX_COMPRESSED))
    photo = compressed_uri(b"\xff\xd8\xff" + bytes(5_000_000))
    assert len(photo) < load_settings().max_image_body_bytes
