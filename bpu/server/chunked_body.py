"""Limits the work and memory that gunicorn's reader of bodies in chunks takes."""

from __future__ import annotations

from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import InvalidChunkSize

from bpu.server.client_socket import MAX_HEAD_BYTES

#: So many chunks may be of any size; of more, the mean size must be at least the second. A chunk takes some 10 µs,
#: however small it is, so a body of 4 MB in chunks of one byte would take a minute of processor time.
FREE_CHUNKS = 4096
LEAST_MEAN_BYTES = 32


class ChunkedBody(ChunkedReader):  # type: ignore[misc]  # gunicorn has no types
    """Reads one body, in a worker's greenlet for its request.

    The fields behind the last chunk are limited as a head is. Raises `InvalidChunkSize` for very many tiny chunks.
    """

    def __init__(self, req: Any, unreader: Any) -> None:
        super().__init__(req, unreader)
        self.limit_trailer_section = MAX_HEAD_BYTES
        self._chunks = self._bytes = 0

    def parse_chunk_size(self, unreader: Any, data: Any = None) -> Any:
        """Read the head of the next chunk. Raises `InvalidChunkSize` for very many tiny ones."""
        size, rest = super().parse_chunk_size(unreader, data)
        self._chunks += 1
        self._bytes += size
        if self._chunks > FREE_CHUNKS and self._bytes < LEAST_MEAN_BYTES * self._chunks:
            raise InvalidChunkSize(b"very many tiny chunks")
        return size, rest


def limit_chunks(req: Any) -> None:
    """Replace the reader of a body in chunks, of which nothing was read yet."""
    if isinstance(req.body.reader, ChunkedReader):
        req.body.reader = ChunkedBody(req, req.unreader)
