"""The images of one request or question.

They are read before its job is queued, and kept as files until the job has ended. This module runs in a greenlet of a
worker, or in a command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

from bpu import gevent_io
from bpu.chat.image_parts import InputImage
from bpu.images.data import ImageData
from bpu.images.reader import ImageReader, ImageRefused, Source
from bpu.images.store import ImageStore


@dataclass
class JobImages:
    """The decoded images of one job by their digests, and their files."""

    store: ImageStore
    decoded: Mapping[str, bytes] = field(default_factory=dict)
    _paths: tuple[str, ...] = ()

    def save(self, keys: Sequence[str]) -> tuple[str, ...]:
        """Write the images with these keys as files; return their paths. Raises as `ImageStore.save`."""
        files, self.decoded = [self.decoded[key] for key in keys], {}
        if files:
            self._paths = gevent_io.in_thread(lambda: self.store.save(files))
        return self._paths

    def remove(self) -> None:
        """Remove the files; may be called at any time, any number of times."""
        paths, self._paths = self._paths, ()
        self.store.remove(paths)


class ImageInput:
    """Reads the images of requests, for one worker or command.

    `allowed` are the values of `BPU_IMAGE_URLS`.
    """

    def __init__(self, state_dir: Path, allowed: Sequence[str] = ()) -> None:
        self._store, self._reader = ImageStore(state_dir), ImageReader(allowed)

    def sweep(self) -> None:
        """Remove the files of processes that are gone."""
        self._store.sweep()

    def read(
        self,
        images: Sequence[InputImage],
        side: int,
        *,
        client: socket | None = None,
        data: ImageData | None = None,
    ) -> JobImages:
        """Decode images as squares of `side` pixels; of each only its digest stays.

        Equal images are decoded once. `data` holds what marks in the images stand for; it is closed. Raises
        `BadRequest`, `Overloaded`, and `ClientLeft` as soon as the `client` leaves.
        """
        for image in images:
            if image.is_left_out:
                image.release("")
        images = [one for one in images if not one.is_left_out]
        if not images:
            return JobImages(self._store)
        first: dict[str, InputImage] = {}
        for image in images:
            first.setdefault(image.key, image)
        with data or ImageData() as kept:
            sources = [Source(one.address, () if one.address else kept.spans_of(one.base64)) for one in first.values()]
            try:
                pictures = self._reader.read(sources, side, kept, client=client)
            except ImageRefused as refusal:
                raise list(first.values())[refusal.index].refuse(str(refusal)) from None
        found = dict(zip(first, pictures, strict=True))
        for image in images:
            image.release(found[image.key].digest)
        return JobImages(self._store, {picture.digest: picture.file for picture in pictures})
