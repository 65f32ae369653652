"""Turns a camera's image message into a data URI for a vision model.

It needs neither OpenCV nor numpy. Pure: standard library only. Raw images are made smaller by leaving out pixels,
because the models see 448 by 448 ones and a request's body has a limit.
"""

from __future__ import annotations

import base64
import struct
import zlib

MAX_SIDE = 448
#: The most bytes of an image that is compressed already; the gateway takes 16 MiB of a body, and base64 adds a third.
MAX_COMPRESSED = 12_000_000
_SIGNATURES = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png"}
#: Raw encodings with interleaved channels, and where red, green and blue are in a pixel.
_CHANNELS = {"rgb8": (3, (0, 1, 2)), "bgr8": (3, (2, 1, 0)), "rgba8": (4, (0, 1, 2)), "bgra8": (4, (2, 1, 0))}


class UnsupportedImage(ValueError):
    """The image cannot be sent; the message says why."""


def data_uri(encoding: str, width: int, height: int, step: int, data: bytes) -> str:
    """`sensor_msgs/Image` as a data URI.

    `step` is the length of a row in bytes. Raises `UnsupportedImage`. `encoding` may be rgb8, bgr8, rgba8, bgra8, mono8
    or nv12, or jpeg and png as D-Robotics' camera nodes publish.
    """
    name = encoding.lower()
    if name in ("jpeg", "jpg", "png"):
        return compressed_uri(data)
    if width < 1 or height < 1:
        raise UnsupportedImage("The image has no pixels.")
    stride = -(-max(width, height) // MAX_SIDE)
    if name == "nv12":
        return _uri("png", _png(_nv12_rows(width, height, step or width, data, stride), 2))
    if name == "mono8":
        _check(data, step or width, width, height)
        return _uri("png", _png([row[:width:stride] for row in _rows(data, step or width, height, stride)], 0))
    if name not in _CHANNELS:
        raise UnsupportedImage(f"The encoding {encoding[:40]!r} is not known.")
    size, order = _CHANNELS[name]
    step = step or width * size
    _check(data, step, width * size, height)
    rows = []
    for row in _rows(data, step, height, stride):
        planes = [row[channel : width * size : size * stride] for channel in order]
        pixels = bytearray(len(planes[0]) * 3)
        for channel, plane in enumerate(planes):
            pixels[channel::3] = plane
        rows.append(bytes(pixels))
    return _uri("png", _png(rows, 2))


def compressed_uri(data: bytes) -> str:
    """Return a JPEG or PNG file, detected by its first bytes, as a data URI.

    Raises `UnsupportedImage`.
    """
    if len(data) > MAX_COMPRESSED:
        raise UnsupportedImage(f"The image has {len(data)} bytes; at most {MAX_COMPRESSED} are sent.")
    for signature, kind in _SIGNATURES.items():
        if data.startswith(signature):
            return _uri(kind, data)
    raise UnsupportedImage("The compressed image is neither JPEG nor PNG.")


def _check(data: bytes, step: int, row: int, height: int) -> None:
    if step < row or len(data) < step * (height - 1) + row:
        raise UnsupportedImage("The image has fewer bytes than its size says.")


def _rows(data: bytes, step: int, height: int, stride: int) -> list[bytes]:
    return [data[number * step : (number + 1) * step] for number in range(0, height, stride)]


def _nv12_rows(width: int, height: int, step: int, data: bytes, stride: int) -> list[bytes]:
    """Return RGB rows of an NV12 image (BT.601).

    It is a plane of brightness, then one of colour at half the size.
    """
    _check(data, step, width, height + (height + 1) // 2)
    colour = step * height
    rows = []
    for y in range(0, height, stride):
        row = bytearray()
        for x in range(0, width, stride):
            place = colour + (y // 2) * step + (x & ~1)
            if place + 1 >= len(data):
                place = len(data) - 2
            luma = 298 * (data[y * step + x] - 16)
            u, v = data[place] - 128, data[place + 1] - 128
            for value in (luma + 409 * v, luma - 100 * u - 208 * v, luma + 516 * u):
                row.append(min(255, max(0, (value + 128) >> 8)))
        rows.append(bytes(row))
    return rows


def _png(rows: list[bytes], colour: int) -> bytes:
    """Encode `rows` as a PNG file; `colour` is 0 for grey, 2 for RGB."""
    width = len(rows[0]) // (3 if colour == 2 else 1)
    head = struct.pack(">IIBBBBB", width, len(rows), 8, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 6)
    chunks = ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
