"""Images in messages: the parts of every API become `InputImage`. It decodes and fetches nothing.

An image stays as the client sent it, base64 or an address, until `bpu.images` has read it; then only its digest is
kept, so that a waiting request does not hold megabytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bpu.errors import BadRequest

#: Types of content parts that hold an image, in Chat Completions, Responses and Anthropic's Messages.
IMAGE_KINDS = ("image", "image_url", "input_image")
#: The most images that are read for one request, the newest. A prompt has room for far fewer.
MAX_IMAGES = 16
_DATA = "data:"
_MAX_ADDRESS = 4096


@dataclass(eq=False)
class InputImage:
    """One image of a request.

    `part` is as the client sent it, `path` is its place in the request. `parse` sets `address` (http or https) or
    `base64`. `digest` of the image's bytes is set by `release`. An image with `is_left_out` is one of an earlier
    message that is not read, because there are too many.
    """

    kind: str
    part: Any
    path: str = ""
    address: str = ""
    base64: str = ""
    digest: str = ""
    is_left_out: bool = False

    def parse(self) -> None:
        """Read the part's address or data. Raises `BadRequest`."""
        source = self._source()
        if _is_data_url(source):
            self.base64 = self._data_of(source)
        else:
            self.address = self._checked_address(source)
        self.part = None

    def release(self, digest: str) -> None:
        """Keep nothing but the digest of the image's bytes."""
        self.digest, self.base64, self.address = digest, "", ""

    def refuse(self, message: str) -> BadRequest:
        """Make the error that names the image's place in the request."""
        return BadRequest(message, param=self.path or None)

    @property
    def key(self) -> str:
        """What two equal images have in common.

        It is their digest, and before they are read their address or data. It is "" for an image that is left out.
        """
        return "" if self.is_left_out else self.digest or self.address or self.base64

    def _source(self) -> str:
        """Return the data URL or the address in the part."""
        part = self.part
        if isinstance(part, str):  # Ollama's images are base64 alone
            return part if _is_data_url(part) else f"{_DATA};base64,{part}"
        source = part.get("source")
        if isinstance(source, Mapping):
            return self._source_of(source)
        if part.get("file_id") is not None:
            raise self.refuse("This gateway keeps no files: send the image itself, as a data URL.")
        value = part.get("image_url")
        value = value.get("url") if isinstance(value, Mapping) else value
        if not isinstance(value, str) or not value:
            raise self.refuse("The part of an image needs its `image_url`: a data URL or an address.")
        return value

    def _source_of(self, source: Mapping[str, Any]) -> str:
        """Return the data URL or the address in a `source` of Anthropic's Messages."""
        kind = source.get("type")
        value = source.get("data" if kind == "base64" else "url")
        if kind not in ("base64", "url") or not isinstance(value, str):
            raise self.refuse("The `source` of an image must be of type base64 with `data`, or url with `url`.")
        return value if kind == "url" else f"{_DATA}{source.get('media_type') or ''};base64,{value}"

    def _data_of(self, source: str) -> str:
        head, found, data = source.partition(",")
        media, *parameters = head[len(_DATA) :].lower().split(";")
        if not found or "base64" not in [one.strip() for one in parameters]:
            raise self.refuse("The data URL of an image must be base64: `data:image/jpeg;base64,...`.")
        if media and not media.startswith("image/") and media != "application/octet-stream":
            raise self.refuse(f"The data URL of an image must be of an image type, not {media[:40]!r}.")
        return data

    def _checked_address(self, source: str) -> str:
        try:
            parts = urlsplit(source)
            is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_web = False
        if not is_web or len(source) > _MAX_ADDRESS or not source.isprintable():
            raise self.refuse("An image must be a data URL or the address of one: `https://...`.")
        return source


def _is_data_url(source: str) -> bool:
    return source[: len(_DATA)].lower() == _DATA  # the scheme of an address has no case


def is_image(part: Any) -> bool:
    """Whether a content part is an image of any API."""
    return isinstance(part, InputImage) or (isinstance(part, Mapping) and part.get("type") in IMAGE_KINDS)


def with_paths(content: Any, path: str) -> Any:
    """Return the content of a message, with an `InputImage` for each image part.

    The parts are placed below `path`.
    """
    if not isinstance(content, list):
        return content
    return [
        InputImage("image_url", part, f"{path}.{number}") if isinstance(part, Mapping) and is_image(part) else part
        for number, part in enumerate(content)
    ]


def split_images(content: Any) -> tuple[Any, tuple[InputImage, ...]]:
    """Return the content of a message without its images, and the images."""
    if not isinstance(content, list) or not any(map(is_image, content)):
        return content, ()
    images = (part for part in with_paths(content, "") if isinstance(part, InputImage))
    return [part for part in content if not is_image(part)], tuple(images)


def check_images(messages: Iterable[tuple[str, tuple[InputImage, ...]]], model: str, seeing: Collection[str]) -> None:
    """Parse the images of messages, which only the models `seeing` take.

    `messages` are pairs of a role and its images. Only the newest `MAX_IMAGES` are to be read; the last message must
    not hold more. Raises `BadRequest`.
    """
    found: list[InputImage] = []
    for number, (role, images) in enumerate(messages):
        for image in images:
            if image.path.startswith("."):
                image.path = f"messages.{number}.content{image.path}"
            if model not in seeing:
                raise image.refuse(_blind(image.kind, model, seeing))
            if role not in ("user", "tool"):
                raise image.refuse("An image may stand in a message of the user or in the result of a tool.")
            image.parse()
            found.append(image)
        if len(images) > MAX_IMAGES:
            raise images[MAX_IMAGES].refuse(f"The message holds more than {MAX_IMAGES} images.")
    for image in found[:-MAX_IMAGES]:
        image.is_left_out = True


def media_error(kind: str) -> str:
    """Return the message for an unsupported content part, in words that clients recognise."""
    return f"Invalid content type. {kind[:40]} is only supported by certain models."


def _blind(kind: str, model: str, seeing: Collection[str]) -> str:
    names = f"These models of this gateway see: {', '.join(seeing)}." if seeing else "No model of this gateway sees."
    return f"{media_error(kind)} `{model}` reads text alone. {names}"
