"""One image: its formats, its limits before decoding, its orientation, its bars, and hostile files."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bpu.images.decode import BARS, MAX_BYTES, BadImage, to_square
from bpu.images.shrink import shrink
from tests.support.pictures import BLUE, GREEN, RED, stripes

SIDE = 448


def decoded(data: bytes, side: int = SIDE) -> Image.Image:
    return Image.open(io.BytesIO(to_square(data, side)), formats=["BMP"]).convert("RGB")


def pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    value = image.getpixel((x, y))
    assert isinstance(value, tuple)
    return value


def near(found: tuple[int, ...], wanted: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 24 for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_every_format_becomes_a_bmp_file_of_the_models_square(form: str) -> None:
    image = decoded(stripes(RED, BLUE, form=form))
    assert image.size == (SIDE, SIDE)
    assert near(pixel(image, 50, 200), (255, 0, 0))
    assert near(pixel(image, 400, 200), (0, 0, 255))


def test_nothing_is_squeezed_because_bars_fill_the_square() -> None:
    image = decoded(stripes(RED, size=(900, 300)))
    assert near(pixel(image, 224, 224), (255, 0, 0))
    assert pixel(image, 224, 20) == BARS
    assert pixel(image, 224, 428) == BARS
    high = [near(pixel(image, 224, y), (255, 0, 0)) for y in range(SIDE)].count(True)
    assert abs(high - SIDE // 3) <= 2


#: Where a red corner at the top left of the stored pixels belongs, by EXIF orientation.
CORNERS = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}


@pytest.mark.parametrize("orientation", CORNERS)
@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG"])
def test_the_image_is_turned_as_its_exif_data_says(orientation: int, form: str) -> None:
    stored = Image.new("RGB", (400, 400), "white")
    stored.paste("red", (0, 0, 150, 150))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored.save(file, form, exif=exif)
    image, (right, bottom) = decoded(file.getvalue()), CORNERS[orientation]
    for x in (0, 1):
        for y in (0, 1):
            wanted = (255, 0, 0) if (x, y) == (right, bottom) else (255, 255, 255)
            assert near(pixel(image, 40 + 360 * x, 40 + 360 * y), wanted)


def test_only_the_first_frame_of_an_animation_is_seen() -> None:
    frames = [Image.new("RGB", (50, 50), colour) for colour in (RED, GREEN, BLUE)]
    for form in ("GIF", "WEBP", "PNG"):
        file = io.BytesIO()
        frames[0].save(file, form, save_all=True, append_images=frames[1:], duration=10)
        assert near(pixel(decoded(file.getvalue()), 224, 224), (255, 0, 0)), form


def test_what_is_transparent_becomes_white() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (50, 50), (255, 0, 0, 0)).save(file, "PNG")
    assert pixel(decoded(file.getvalue()), 224, 224) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_pixel_is_taken(mode: str) -> None:
    image = Image.new(mode, (30, 30))
    file = io.BytesIO()
    image.save(file, "JPEG" if mode == "CMYK" else "PNG")
    assert decoded(file.getvalue()).size == (SIDE, SIDE)


@pytest.mark.parametrize("options", [{}, {"transparency": 1}])
def test_a_deep_greyscale_image_keeps_its_greys(options: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "depth.png"
    Image.new("I;16", (30, 30), 0x8000).save(file, **options)
    assert near(pixel(decoded(file.read_bytes()), 224, 224), (128, 128, 128))
    assert near(pixel(decoded(shrink(file)), 224, 224), (128, 128, 128))


def test_what_is_transparent_becomes_white_in_a_picture_that_a_command_sends(tmp_path: Path) -> None:
    file = tmp_path / "logo.png"
    Image.new("RGBA", (50, 50), (255, 0, 0, 0)).save(file)
    assert near(pixel(decoded(shrink(file)), 224, 224), (255, 255, 255))


def test_a_large_photo_that_a_command_sends_is_made_small_enough_for_the_gateway(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    Image.new("RGB", (8064, 6048), (255, 0, 0)).save(file, quality=50)
    with pytest.raises(BadImage, match="25 megapixels"):
        to_square(file.read_bytes(), SIDE)
    assert near(pixel(decoded(shrink(file)), 224, 224), (255, 0, 0))


def _png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = b""
    for name, data in ((b"IHDR", head), *chunks, (b"IEND", b"")):
        parts += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return b"\x89PNG\r\n\x1a\n" + parts


def _gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b"\x2c" + bytes(9) + b"\x02\x00\x3b"


def _chunk(name: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _with_scans(data: bytes, count: int) -> bytes:
    """A progressive JPEG whose last scan stands in it `count` times."""
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (count - 1) + data[-2:]


def _with_blocks(data: bytes, blocks: bytes) -> bytes:
    """A GIF with blocks before its frame."""
    start = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    return data[:start] + blocks + data[start:]


def _rle_bmp(data: bytes, side: int = 5000) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(data), 0, 0, 1078) + head + bytes(1024) + data


MANY = 21_000
PNG, JPEG, GIF = stripes(RED), stripes(RED, form="JPEG"), stripes(RED, form="GIF")
PROGRESSIVE = stripes(RED, size=(5000, 5000), form="JPEG", progressive=True)
#: Files that Pillow reads for seconds, because it reads each of their parts in Python or paints all pixels often.
MANY_PARTS: dict[str, bytes] = {
    "a PNG of empty chunks": PNG[:33] + _chunk(b"abCd") * MANY + PNG[33:],
    "a PNG with empty chunks at its end": PNG[:-12] + _chunk(b"abCd") * MANY + PNG[-12:],
    "a PNG of empty data": PNG[:33] + _chunk(b"IDAT") * MANY + PNG[33:],
    "a JPEG of comments": JPEG[:2] + b"\xff\xfe\0\2" * MANY + JPEG[2:],
    "a JPEG of fill bytes": JPEG[:2] + b"\xff" * MANY + JPEG[2:],
    "a large JPEG of 50 scans": _with_scans(PROGRESSIVE, 50),
    "a small JPEG of 1000 scans": _with_scans(stripes(RED, form="JPEG", progressive=True), 1000),
    "a JPEG whose scans follow a comment that looks like its end": _with_scans(
        PROGRESSIVE.replace(b"\xff\xda", b"\xff\xfe\0\4\xff\xd9\xff\xda"), 50
    ),
    "a GIF of extensions": _with_blocks(GIF, b"!\xfe\0" * MANY),
    "a GIF of one long comment": _with_blocks(GIF, b"!\xfe" + b"\1a" * MANY + b"\0"),
    "a large BMP that is compressed": _rle_bmp(b"\1\0" * (2 << 20)),
}


@pytest.mark.parametrize("name", MANY_PARTS)
def test_a_file_of_too_many_parts_is_refused_before_a_decoder_sees_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[object] = []
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: loads.append(image))
    with pytest.raises(BadImage, match="too many parts"):
        to_square(MANY_PARTS[name], SIDE)
    assert not loads


def test_files_of_the_usual_number_of_parts_are_taken() -> None:
    thumbnail = b"\xff\xe1" + struct.pack(">H", 2 + len(JPEG)) + JPEG
    files = {
        "progressive": PROGRESSIVE,
        "with a thumbnail": JPEG[:2] + thumbnail * 20 + JPEG[2:],
        "with a film behind it": JPEG + b"\xff\xda" * 1000,
        "twenty scans": _with_scans(stripes(RED, form="JPEG", progressive=True), 20),
        "data in 8 kB": PNG[:33] + _chunk(b"tEXt", b"a\0b") * 100 + PNG[33:],
        "GIF with metadata": _with_blocks(GIF, b"!\xfe" + (b"\xff" + b"a" * 255) * 4000 + b"\0"),
        "compressed BMP": _rle_bmp(b"\x40\1\0\0" * 64 + b"\0\1", side=64),
    }
    for name, data in files.items():
        assert pixel(decoded(data), 224, 224) is not None, name


HOSTILE: dict[str, bytes] = {
    "a decompression bomb": _png(60_000, 60_000, (b"IDAT", zlib.compress(bytes(10_000_000)))),
    "a bomb of one long strip": _png(20_000, 1, (b"IDAT", zlib.compress(bytes(60_001)))),
    "a GIF of 65535 pixels a side": _gif(65_535, 65_535),
    "a head alone": stripes(RED)[:40],
    "half a file": stripes(RED, GREEN, size=(300, 300), form="JPEG")[:800],
    "pixels that are missing": _png(2000, 2000),
    "no pixels": _png(0, 0, (b"IDAT", b"")),
    "a broken stream": _png(100, 100, (b"IDAT", b"not zlib at all")),
    "SVG": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "PDF": b"%PDF-1.7\n1 0 obj<<>>endobj",
    "TIFF": b"II*\0" + bytes(100),
    "HTML": b"<html><script>alert(1)</script>",
    "an archive": b"PK\x03\x04" + bytes(60),
    "zeros": bytes(1000),
    "too many bytes": stripes(RED) + bytes(MAX_BYTES),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name: str) -> None:
    with pytest.raises(BadImage, match="The image"):
        to_square(HOSTILE[name], SIDE)


def test_nothing_but_pixels_is_left_of_a_file_that_is_two_at_once() -> None:
    script = b"<script>alert(1)</script>PK\x03\x04"
    square = to_square(stripes(RED, form="GIF") + script, SIDE)
    assert script not in square
    assert len(square) == 54 + 3 * SIDE * SIDE


def test_broken_metadata_does_not_matter() -> None:
    file = io.BytesIO()
    Image.new("RGB", (50, 50), RED).save(file, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage")
    assert near(pixel(decoded(file.getvalue()), 224, 224), (255, 0, 0))


def test_a_large_photo_is_decoded_and_a_larger_one_is_refused(tmp_path: Path) -> None:
    assert near(pixel(decoded(stripes(GREEN, size=(5000, 5000), form="JPEG")), 9, 9), (0, 255, 0))
    with pytest.raises(BadImage, match="5001 x 5000 pixels; 25 megapixels"):
        to_square(stripes(GREEN, size=(5001, 5000), form="JPEG"), SIDE)
