"""Makes images for tests: stripes of colours in any format.

Also parts of messages that hold them.
"""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

RED, GREEN, BLUE, YELLOW = "#ff0000", "#00ff00", "#0000ff", "#ffff00"


def stripes(*colours: str, size: tuple[int, int] = (64, 64), form: str = "PNG", **options: Any) -> bytes:
    """A file with upright stripes of these colours."""
    image = Image.new("RGB", size)
    width = size[0] // len(colours)
    for number, colour in enumerate(colours):
        image.paste(colour, (number * width, 0, (number + 1) * width, size[1]))
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64_of(data)}"


def image_part(data: bytes, **fields: Any) -> dict[str, Any]:
    """An image as Chat Completions has it."""
    return {"type": "image_url", "image_url": {"url": data_url(data), **fields}}


def said(*parts: str | bytes, role: str = "user") -> dict[str, Any]:
    """A message of texts and images."""
    content = [{"type": "text", "text": one} if isinstance(one, str) else image_part(one) for one in parts]
    return {"role": role, "content": content}
