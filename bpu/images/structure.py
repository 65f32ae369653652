"""Counts the parts of an image file before a decoder sees it.

Pillow reads each of them in Python. A file of 16 MB with nothing but empty parts would take it many seconds, and so
would a JPEG that paints all of its pixels a thousand times.
"""

from __future__ import annotations

import re

#: Chunks of a PNG, segments of a JPEG, blocks of a GIF. A PNG of 16 MB has 2,000 in the usual size.
MAX_PARTS = 20_000
#: The most scans of a JPEG, and of a large one scans times pixels; progressive ones have about ten.
MAX_SCANS = 100
MAX_SCAN_PIXELS = 500_000_000
#: The most bytes of a BMP whose pixels are compressed, which Pillow decompresses in Python.
MAX_RLE_BYTES = 2 * 1024 * 1024

#: The next marker of a JPEG behind a scan: no stuffed 0xff, no restart.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


class TooManyParts(Exception):
    """The file has more parts than an image needs."""


def check_parts(data: bytes) -> int:
    """Raise `TooManyParts`, or return the number of scans, which is 1 but for a JPEG.

    A broken file is accepted here, because decoding it reports the fault.
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        _check_png(data)
    elif data.startswith(b"\xff\xd8"):
        return _scans(data)
    elif data.startswith(b"GIF8"):
        _check_gif(data)
    elif data.startswith(b"BM") and data[30:31] in (b"\x01", b"\x02") and len(data) > MAX_RLE_BYTES:
        raise TooManyParts
    return 1


def _check_png(data: bytes) -> None:
    at = 8
    for _ in range(MAX_PARTS):
        if at >= len(data):
            return
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    raise TooManyParts


def _scans(data: bytes) -> int:
    """Count the scans of a JPEG."""
    at, scans = 2, 0
    for _ in range(MAX_PARTS):
        if scans:  # entropy-coded data stands between segments from the first scan on
            found = _NEXT_MARKER.search(data, at)
            if found is None:
                return scans
            at = found.start()
        marker = data[at + 1 : at + 2]
        if not marker or marker[0] == _END_OF_IMAGE:
            return max(1, scans)
        if data[at] != 0xFF or marker[0] in (0x00, 0xFF):
            at += 1  # as Pillow does, a byte at a time
            continue
        if marker[0] == _START_OF_SCAN and (scans := scans + 1) > MAX_SCANS:
            raise TooManyParts
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise TooManyParts


def _check_gif(data: bytes) -> None:
    """Count the blocks before the first frame."""
    flags = data[10] if len(data) > 10 else 0
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    is_inside = False  # of an extension, which is a chain of blocks up to an empty one
    for _ in range(MAX_PARTS):
        block = data[at : at + 1]
        if not block or (not is_inside and block != b"!"):
            return
        if is_inside:
            is_inside = block != b"\0"
            at += 1 + block[0]
        else:
            is_inside = True
            at += 2
    raise TooManyParts
