"""Shrinks a picture before it is sent, for commands and examples that send one."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import ImageOps

from bpu.images.decode import FORMATS, BadImage, open_image, to_rgb

#: The longest side in pixels: more than any model sees.
LONGEST_SIDE = 1024
#: More than telephones' cameras take. It is a file of the user's own, so more than of a client's is decoded.
MOST_PIXELS = 120_000_000
_QUALITY = 90


def shrink(path: Path) -> bytes:
    """Return the picture in the file as a JPEG, turned right.

    The result has at most `LONGEST_SIDE` pixels a side. Raises `BadImage`, and `OSError` where the file cannot be read.
    """
    data = path.read_bytes()
    try:
        opened = open_image(data, MOST_PIXELS)
        opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
        image = to_rgb(ImageOps.exif_transpose(opened))
    except Exception as error:  # a decoder may raise anything for a broken file
        raise BadImage(f"{path} is no image that can be sent ({', '.join(FORMATS)}).") from error
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
