"""Downloads one file over an unreliable network: resumed, bounded, checked.

The one module that knows urllib3.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError, SSLError

CONNECT_TIMEOUT_S = 15.0
#: The longest silence; a slower connection is ended by its rate.
READ_TIMEOUT_S = 30.0
SLOWEST_BYTES_PER_S, SLOW_FOR_S = 1024, 60.0
#: Attempts in a row with less than `_MIN_PROGRESS` bytes before the download fails.
ATTEMPTS = 5
_MIN_PROGRESS = 1 << 16
_BLOCK = 1 << 20
_MAX_REDIRECTS = 5
_MAX_LIST_BYTES = 1 << 20
#: Digests by the names of their functions.
Checksums = dict[str, str]
Progress = Callable[[int, "int | None"], None]


class DownloadFailed(Exception):
    """A file could not be downloaded or has a wrong checksum.

    Its text is the reason, for a person.
    """


@dataclass(frozen=True)
class _Part:
    """A partly downloaded file: `size` of `total` bytes of the version `version`."""

    size: int = 0
    version: str = ""
    total: int | None = None


class _RetryLater(Exception):
    """The attempt ended early; the received bytes are kept."""


class _PartMismatch(Exception):
    """The local part does not belong to the server's present version of the file."""


class Downloader:
    """Downloads files one after another in the command `pull`. Not shared between threads."""

    def __init__(
        self,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        timeout = urllib3.Timeout(connect=connect_timeout_s, read=read_timeout_s)
        self._pool = urllib3.PoolManager(num_pools=4, timeout=timeout, retries=False)
        self._sleep, self._clock = sleep, clock

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def text(self, url: str) -> str:
        """Download a short text, such as a list of checksums. Raises `DownloadFailed`."""
        try:
            with self._open_response(url, {}) as response:
                if response.status != 200:
                    raise DownloadFailed(f"{url}: HTTP {response.status}")
                return self._short_body(url, response).decode("utf-8", "replace")
        except HTTPError as error:
            raise DownloadFailed(f"{url}: {_reason(error)}") from None

    def _short_body(self, url: str, response: Any) -> bytes:
        """Read a short body.

        It must be complete in the time that a connection may be slow.
        """
        data, begun = b"", self._clock()
        for block in _blocks(response):
            data += block
            if len(data) > _MAX_LIST_BYTES:
                raise DownloadFailed(f"{url}: longer than {_MAX_LIST_BYTES} bytes")
            if self._clock() - begun > SLOW_FOR_S:
                raise DownloadFailed(f"{url}: not complete after {SLOW_FOR_S:g} s")
        return data

    def file(
        self, url: str, target: Path, checksums: Checksums, *, most_bytes: int, progress: Progress = lambda a, b: None
    ) -> None:
        """Download `url` to `target`, resuming an earlier part, and check it.

        The file is `target.part` until its checksums are verified. Raises `DownloadFailed`, and OSError of the disk.
        """
        part = target.with_name(f"{target.name}.part")
        self._complete(url, part, most_bytes, progress)
        wrong = next((kind for kind, digest in checksums.items() if digest_of(part, kind) != digest), None)
        if wrong is not None:
            _delete_part(part)
            raise DownloadFailed(f"{url}: the {wrong.upper()} of the file is not {checksums[wrong]}; it was deleted")
        part.replace(target)
        _state_file(part).unlink(missing_ok=True)

    def _complete(self, url: str, part: Path, most_bytes: int, progress: Progress) -> None:
        failed_attempts = 0
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                self._attempt(url, part, most_bytes, progress)
                return
            except SSLError as error:
                raise DownloadFailed(f"{url}: {_reason(error)}") from None
            except (_RetryLater, HTTPError) as error:
                received = part.stat().st_size - before if part.exists() else 0
                failed_attempts = 0 if received >= _MIN_PROGRESS else failed_attempts + 1
                if failed_attempts >= ATTEMPTS:
                    raise DownloadFailed(f"{url}: {_reason(error)}") from None
                self._sleep(min(30.0, 2.0**failed_attempts))

    def _attempt(self, url: str, part: Path, most_bytes: int, progress: Progress) -> None:
        """Download over one connection. Raises `_RetryLater` if the file is not complete yet."""
        part_state = _read_part(part)
        headers = {} if not part_state.size else {"Range": f"bytes={part_state.size}-"}
        if part_state.size and part_state.version:
            headers["If-Range"] = part_state.version
        with self._open_response(url, headers) as response:
            if response.status == 416 and part_state.size == part_state.total:
                return
            try:
                start, total = self._start(url, response, part_state)
            except _PartMismatch as error:
                _delete_part(part)
                raise _RetryLater(str(error)) from None
            if total is not None and total > most_bytes:
                raise DownloadFailed(f"{url}: {total} bytes, more than the {most_bytes} that it may have")
            _write_state(part, _version(response), total)
            with part.open("r+b" if start else "wb") as file:
                file.seek(start)
                file.truncate()
                self._copy(url, response, file, start, total, most_bytes, progress)
        size = part.stat().st_size
        if total is not None and size < total:
            raise _RetryLater(f"the connection ended after {size} of {total} bytes")

    def _start(self, url: str, response: Any, part_state: _Part) -> tuple[int, int | None]:
        """Return the offset of the body in the file, and the total size."""
        if response.status == 206:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
            if (
                found is None
                or int(found[1]) != part_state.size
                or (part_state.total is not None and int(found[2]) != part_state.total)
            ):
                raise _PartMismatch("the server sent another part than was asked for")
            return part_state.size, int(found[2])
        if response.status == 200:
            length = response.headers.get("Content-Length", "")
            return 0, int(length) if length.isascii() and length.isdigit() else None
        if response.status == 416:
            raise _PartMismatch("the server has no such part")
        if response.status >= 500 or response.status == 429:
            raise _RetryLater(f"HTTP {response.status}")
        raise DownloadFailed(f"{url}: HTTP {response.status}")

    def _copy(
        self, url: str, response: Any, file: Any, done: int, total: int | None, most: int, progress: Progress
    ) -> None:
        marked, mark = self._clock(), done
        for data in _blocks(response):
            done += len(data)
            if done > most:
                raise DownloadFailed(f"{url}: more than the {most} bytes that it may have")
            file.write(data)
            progress(done, total)
            if (passed := self._clock() - marked) > SLOW_FOR_S:
                if done - mark < SLOWEST_BYTES_PER_S * passed:
                    raise _RetryLater(f"slower than {SLOWEST_BYTES_PER_S} bytes a second")
                marked, mark = self._clock(), done
        file.flush()
        os.fsync(file.fileno())

    @contextlib.contextmanager
    def _open_response(self, url: str, headers: dict[str, str]) -> Iterator[Any]:
        """Open the response after redirects, never from https to http. Its body is not decoded."""
        current_url = url
        for _ in range(_MAX_REDIRECTS):
            response = self._pool.request(
                "GET",
                current_url,
                headers={"Accept-Encoding": "identity", "User-Agent": "rdk-bpu-gateway", **headers},
                preload_content=False,
                decode_content=False,
                redirect=False,
            )
            try:
                location = response.headers.get("Location")
                if response.status not in (301, 302, 303, 307, 308) or not location:
                    yield response
                    return
            finally:
                response.close()
            next_url = urljoin(current_url, location)
            if urlsplit(next_url).scheme not in ({"https"} if current_url.startswith("https:") else {"http", "https"}):
                raise DownloadFailed(f"{url}: the server leads to {next_url[:200]}, which is not followed")
            current_url = next_url
        raise DownloadFailed(f"{url}: too many redirects")


def _blocks(response: Any) -> Iterator[bytes]:
    """Yield the body as it arrives, because a slow server fills no whole block."""
    while data := response.read1(_BLOCK):
        yield data


def digest_of(path: Path, kind: str) -> str:
    """Return the hexadecimal digest of a file.

    MD5, used by the vendor's list, detects damage but not forgery.
    """
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while data := file.read(_BLOCK):
            digest.update(data)
    return digest.hexdigest()


def md5_from_list(text: str, url: str) -> str | None:
    """Find the MD5 of `url` in a list as `md5sum` writes it.

    Of several lines with its name, the one with the longest common path suffix counts.
    """
    wanted = urlsplit(url).path.split("/")
    best: tuple[int, str] | None = None
    for line in text.splitlines():
        found = re.fullmatch(r"([0-9a-fA-F]{32})\s+\*?(\S.*)", line.strip())
        if found is None:
            continue
        path = found[2].split("/")
        pairs = zip(reversed(path), reversed(wanted), strict=False)
        common = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
        if common and (best is None or common > best[0]):
            best = common, found[1].lower()
    return best[1] if best else None


def _version(response: Any) -> str:
    """Return the strong ETag of a file's version, else its `Last-Modified`."""
    tag = response.headers.get("ETag", "")
    return str(tag if tag.startswith('"') else response.headers.get("Last-Modified", ""))


def _state_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _write_state(part: Path, version: str, total: int | None) -> None:
    _state_file(part).write_text(json.dumps({"version": version, "total": total}), encoding="utf-8")


def _read_part(part: Path) -> _Part:
    try:
        state = json.loads(_state_file(part).read_text(encoding="utf-8"))
        return _Part(
            part.stat().st_size, str(state["version"]), None if state["total"] is None else int(state["total"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return _Part()


def _delete_part(part: Path) -> None:
    part.unlink(missing_ok=True)
    _state_file(part).unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    """Return a short reason, because urllib3's messages are nested."""
    if isinstance(error, ReadTimeoutError):
        return "the server was silent for too long"
    if isinstance(error, ProtocolError):
        return "the connection ended early"
    reason = str(error).rpartition(": ")[2].strip(" ')")
    return reason + ")" * (reason.count("(") - reason.count(")")) or type(error).__name__
