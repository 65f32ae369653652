"""The images of one request or question: read before its job is queued, kept as files until the job has ended.

It runs in a greenlet of a worker, or in a command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

from bpu import gevent_io
from bpu.chat.image_parts import InputImage
from bpu.images.reader import ImageReader, ImageRefused, Source
from bpu.images.store import ImageStore


@dataclass
class JobImages:
    """The decoded images of one job by their digests, and the files that were made of them."""

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


def _whole(text: str) -> tuple[bytes, ...]:
    return (text.encode("utf-8", "replace"),)


class ImageInput:
    """Reads the images of requests, for one worker or command. `allowed` are the values of `BPU_IMAGE_URLS`."""

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
        pieces_of: Callable[[str], tuple[bytes, ...]] = _whole,
        on_sent: Callable[[], None] = lambda: None,
    ) -> JobImages:
        """Decode images as squares of `side` pixels; of each only its digest stays.

        Raises `BadRequest`, and `ClientLeft` as soon as the `client` leaves. `pieces_of` returns the data that a base64
        text of the request stands for; `on_sent` is called when it is no longer needed.
        """
        if not images:
            return JobImages(self._store)
        for image in images:
            if image.is_left_out:
                image.release("")
        images = [one for one in images if not one.is_left_out]
        sources = [
            Source(address=one.address) if one.address else Source(pieces=pieces_of(one.base64)) for one in images
        ]
        try:
            pictures = self._reader.read(sources, side, client=client)
        except ImageRefused as refusal:
            raise images[refusal.index].refuse(str(refusal)) from None
        finally:
            on_sent()
        for image, picture in zip(images, pictures, strict=True):
            image.release(picture.digest)
        return JobImages(self._store, {picture.digest: picture.file for picture in pictures})
