"""Checks and decodes one image with Pillow, and brings it to the model's square.

Runs in the process of `reader`. All limits that the file's head can show are checked before a pixel is decoded.
"""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from bpu.images.structure import MAX_SCAN_PIXELS, TooManyParts, check_parts

#: The formats that are decoded; each has a fixed head, so that no other decoder sees the bytes.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
MAX_BYTES = 16 * 1024 * 1024
MAX_PIXELS = 25_000_000
#: The longest side; a narrower strip than this has nothing to see.
MAX_SIDE = 16_384
#: The colour of the bars beside an image that is not square.
BARS = (127, 127, 127)
_PAPER = (255, 255, 255)
_TOO_MANY_PARTS = "The image's file has too many parts to be decoded in a short time; save it anew."


class BadImage(Exception):
    """The image is refused; the message is a sentence for the client."""


def to_square(data: bytes, side: int) -> bytes:
    """Decode `data`, and return it as a square BMP file.

    `side` by `side` pixels, with bars where it is not square. BMP, because every build of OpenCV reads it and nothing
    is lost. Raises `BadImage`.
    """
    if len(data) > MAX_BYTES:
        raise BadImage(f"The image has {len(data)} bytes; {MAX_BYTES} are the most.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about broken metadata, on which nothing depends
            return _square(open_image(data), side)
    except BadImage:
        raise
    except MemoryError:
        raise BadImage("The image needs too much memory.") from None
    except Exception:  # a decoder may raise anything for a broken file
        raise BadImage("The image is broken: it cannot be decoded.") from None


def open_image(data: bytes, most_pixels: int = MAX_PIXELS) -> Image.Image:
    """Check the parts of the file, read its head, and check what it says.

    Raises `BadImage` for a file that is broken, too large, or of another format.
    """
    Image.MAX_IMAGE_PIXELS = None  # checked here, with a message of our own
    try:
        scans = check_parts(data)
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except TooManyParts:
        raise BadImage(_TOO_MANY_PARTS) from None
    except UnidentifiedImageError:
        raise BadImage(f"The image is of no known type; {', '.join(FORMATS)} are taken.") from None
    width, height = image.size
    if not 0 < width * height <= most_pixels or max(width, height) > MAX_SIDE:
        most = f"{most_pixels // 1_000_000} megapixels and {MAX_SIDE} pixels a side are the most"
        raise BadImage(f"The image has {width} x {height} pixels; {most}.")
    if scans > 1 and scans * width * height > MAX_SCAN_PIXELS:
        raise BadImage(_TOO_MANY_PARTS)
    return image


def _square(image: Image.Image, side: int) -> bytes:
    """Decode the first frame, and place it in the middle of the square.

    The image is turned as its EXIF data says.
    """
    image.draft("RGB", (2 * side, 2 * side))  # a JPEG is decoded smaller where that is enough
    image.load()
    orientation = _orientation(image)
    image = to_rgb(image)
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    if (turn := _TURNS.get(orientation)) is not None:
        image = image.transpose(turn)
    square = ImageOps.pad(image, (side, side), Image.Resampling.LANCZOS, color=BARS)
    file = io.BytesIO()
    square.save(file, "BMP")
    return file.getvalue()


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 0x0112


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 where the data is missing or broken."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # broken metadata does not make the pixels unusable
        return 1
    return value if isinstance(value, int) else 1


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the image in RGB.

    Transparent pixels become white, save in a deep greyscale image.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return _to_8_bits(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = Image.new("RGB", image.size, _PAPER)
        paper.paste(image, mask=image.getchannel("A"))
        return paper
    return image.convert("RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scale the values of a deep greyscale image, which `convert` would clip."""
    return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
