"""The images of a request: read before its job is queued, and kept as files until the job has ended.

It runs in the greenlet of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flask import g

from bpu import gevent_io
from bpu.chat.image_parts import InputImage
from bpu.chat.requests import ChatRequest
from bpu.errors import BadRequest
from bpu.images.reader import ImageReader, ImageRefused, Source
from bpu.images.store import ImageStore
from bpu.web.lifted_data import LiftedData


@dataclass
class RequestImages:
    """The decoded images of one request by their digests, and the files that were made of them."""

    store: ImageStore | None = None
    decoded: Mapping[str, bytes] = field(default_factory=dict)
    _paths: tuple[str, ...] = ()

    def save(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Write the images with these keys as files; return their paths. Raises as `ImageStore.save`."""
        if not keys:
            return ()
        assert self.store is not None
        store, files = self.store, [self.decoded[key] for key in keys]
        self.decoded = {}
        self._paths = gevent_io.in_thread(lambda: store.save(files))
        return self._paths

    def remove(self) -> None:
        """Remove the files; may be called at any time, any number of times."""
        paths, self._paths = self._paths, ()
        if self.store is not None and paths:
            self.store.remove(paths)


class ImageInput:
    """Reads the images of requests for one worker."""

    def __init__(self, state_dir: Path, allowed: Sequence[str]) -> None:
        self._store, self._reader = ImageStore(state_dir), ImageReader(allowed)

    def sweep(self) -> None:
        """Remove the files of workers that are gone."""
        self._store.sweep()

    def read(self, request: ChatRequest, side: int) -> RequestImages:
        """Decode the request's images; of each in the request only the digest stays. Raises `BadRequest`."""
        images, lifted = request.images, _lifted()
        sources = [_source(image, lifted) for image in images]
        if lifted is not None and not lifted.is_used_up:
            raise BadRequest("The request holds base64 data outside of an image; send images as parts of a message.")
        forget_lifted()
        if not images:
            return RequestImages()
        try:
            pictures = self._reader.read(sources, side)
        except ImageRefused as refusal:
            raise images[refusal.index].refuse(str(refusal)) from None
        for image, picture in zip(images, pictures, strict=True):
            image.release(picture.digest)
        return RequestImages(self._store, {picture.digest: picture.file for picture in pictures})


def _source(image: InputImage, lifted: LiftedData | None) -> Source:
    if image.address:
        return Source(address=image.address)
    return Source(
        pieces=(image.base64.encode("utf-8", "replace"),) if lifted is None else lifted.pieces_of(image.base64)
    )


def keep_lifted(lifted: LiftedData, release: Callable[[], None]) -> None:
    """Keep the data of the current body until its images are read; `release` frees its share of the budget."""
    g.lifted, g.release_lifted = lifted, release


def _lifted() -> LiftedData | None:
    found: LiftedData | None = g.get("lifted")
    return found


def forget_lifted() -> None:
    """Drop the data of the current request's body; may be called twice."""
    g.pop("lifted", None)
    release = g.pop("release_lifted", None)
    if release is not None:
        release()
