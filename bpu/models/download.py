"""Downloads one file over an unreliable network: resumed, bounded, checked. The one module that knows urllib3."""

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
#: The longest silence; a connection that only drips is given up by its speed.
READ_TIMEOUT_S = 30.0
SLOWEST_BYTES_PER_S, SLOW_FOR_S = 1024, 60.0
#: Attempts in a row that brought less than so many bytes: a server that only drips must not be asked for ever.
ATTEMPTS = 5
_WORTHWHILE = 1 << 16
_BLOCK = 1 << 20
_MOST_REDIRECTS = 5
_MOST_LIST = 1 << 20
#: Digests by the names of their functions.
Checksums = dict[str, str]
Progress = Callable[[int, "int | None"], None]


class DownloadFailed(Exception):
    """A file could not be had, or is not the one that was wanted. Its text is the reason, for a person."""


@dataclass(frozen=True)
class _Part:
    """A file that has come in part: `size` of `total` bytes of the version `version`."""

    size: int = 0
    version: str = ""
    total: int | None = None


class _Again(Exception):
    """The attempt ended early; what it brought is kept."""


class _Mixed(Exception):
    """What is there of the file does not belong to what the server has now."""


class Downloader:
    """Downloads files, one after another, over connections of its own. Not shared between threads."""

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
        self._pool.clear()

    def text(self, url: str) -> str:
        """A short text, as a list of checksums. Raises `DownloadFailed`."""
        try:
            with self._opened(url, {}) as response:
                if response.status != 200:
                    raise DownloadFailed(f"{url}: HTTP {response.status}")
                data = response.read(_MOST_LIST + 1)
        except HTTPError as error:
            raise DownloadFailed(f"{url}: {_reason(error)}") from None
        if len(data) > _MOST_LIST:
            raise DownloadFailed(f"{url}: longer than {_MOST_LIST} bytes")
        return bytes(data).decode("utf-8", "replace")

    def file(
        self, url: str, target: Path, checksums: Checksums, *, most_bytes: int, progress: Progress = lambda a, b: None
    ) -> None:
        """Download `url` to `target`, continuing what an earlier run has left, and check it.

        It is `target` only when its checksums are right; until then it is `target.part`. Raises `DownloadFailed`, and
        OSError of the disk.
        """
        part = target.with_name(f"{target.name}.part")
        self._complete(url, part, most_bytes, progress)
        wrong = next((kind for kind, digest in checksums.items() if digest_of(part, kind) != digest), None)
        if wrong is not None:
            _forget(part)
            raise DownloadFailed(f"{url}: the {wrong.upper()} of the file is not {checksums[wrong]}; it was deleted")
        part.replace(target)
        _note_of(part).unlink(missing_ok=True)

    def _complete(self, url: str, part: Path, most_bytes: int, progress: Progress) -> None:
        fruitless = 0
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                self._attempt(url, part, most_bytes, progress)
                return
            except SSLError as error:
                raise DownloadFailed(f"{url}: {_reason(error)}") from None
            except (_Again, HTTPError) as error:
                brought = part.stat().st_size - before if part.exists() else 0
                fruitless = 0 if brought >= _WORTHWHILE else fruitless + 1
                if fruitless >= ATTEMPTS:
                    raise DownloadFailed(f"{url}: {_reason(error)}") from None
                self._sleep(min(30.0, 2.0**fruitless))

    def _attempt(self, url: str, part: Path, most_bytes: int, progress: Progress) -> None:
        """One connection. Returns when the file is complete; raises `_Again` when it is not yet."""
        have = _read_part(part)
        headers = {} if not have.size else {"Range": f"bytes={have.size}-"}
        if have.size and have.version:
            headers["If-Range"] = have.version
        with self._opened(url, headers) as response:
            if response.status == 416 and have.size == have.total:
                return
            try:
                start, total = self._start(url, response, have)
            except _Mixed as error:
                _forget(part)
                raise _Again(str(error)) from None
            if total is not None and total > most_bytes:
                raise DownloadFailed(f"{url}: {total} bytes, more than the {most_bytes} that it may have")
            _write_note(part, _version(response), total)
            with part.open("r+b" if start else "wb") as file:
                file.seek(start)
                file.truncate()
                self._copy(url, response, file, start, total, most_bytes, progress)
        size = part.stat().st_size
        if total is not None and size < total:
            raise _Again(f"the connection ended after {size} of {total} bytes")

    def _start(self, url: str, response: Any, have: _Part) -> tuple[int, int | None]:
        """Where the body belongs in the file, and the size of the whole."""
        if response.status == 206:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != have.size or (have.total is not None and int(found[2]) != have.total):
                raise _Mixed("the server sent another part than was asked for")
            return have.size, int(found[2])
        if response.status == 200:
            length = response.headers.get("Content-Length", "")
            return 0, int(length) if length.isascii() and length.isdigit() else None
        if response.status == 416:
            raise _Mixed("the server has no such part")
        if response.status >= 500 or response.status == 429:
            raise _Again(f"HTTP {response.status}")
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
                    raise _Again(f"slower than {SLOWEST_BYTES_PER_S} bytes a second")
                marked, mark = self._clock(), done
        file.flush()
        os.fsync(file.fileno())

    @contextlib.contextmanager
    def _opened(self, url: str, headers: dict[str, str]) -> Iterator[Any]:
        """The response after redirects, which never lead from https to http. Its body is not decoded."""
        here = url
        for _ in range(_MOST_REDIRECTS):
            response = self._pool.request(
                "GET",
                here,
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
            there = urljoin(here, location)
            if urlsplit(there).scheme not in ({"https"} if here.startswith("https:") else {"http", "https"}):
                raise DownloadFailed(f"{url}: the server leads to {there[:200]}, which is not followed")
            here = there
        raise DownloadFailed(f"{url}: too many redirects")


def _blocks(response: Any) -> Iterator[bytes]:
    """Yield the body as it comes, because a slow server fills no whole block."""
    while data := response.read1(_BLOCK):
        yield data


def digest_of(path: Path, kind: str) -> str:
    """The hexadecimal digest of a file. MD5 is the vendor's list's: it shows damage, not forgery."""
    digest = hashlib.new(kind, usedforsecurity=False)
    with path.open("rb") as file:
        while data := file.read(_BLOCK):
            digest.update(data)
    return digest.hexdigest()


def listed_md5(text: str, url: str) -> str | None:
    """The MD5 of `url` in a list as `md5sum` writes it.

    Of several lines with its name, the one whose path agrees most counts.
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
    """What tells one version of a file from another; a weak tag does not."""
    tag = response.headers.get("ETag", "")
    return str(tag if tag.startswith('"') else response.headers.get("Last-Modified", ""))


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _write_note(part: Path, version: str, total: int | None) -> None:
    _note_of(part).write_text(json.dumps({"version": version, "total": total}), encoding="utf-8")


def _read_part(part: Path) -> _Part:
    try:
        note = json.loads(_note_of(part).read_text(encoding="utf-8"))
        return _Part(part.stat().st_size, str(note["version"]), None if note["total"] is None else int(note["total"]))
    except (OSError, ValueError, KeyError, TypeError):
        return _Part()


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note_of(part).unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    """A few words; urllib3's own are nested."""
    if isinstance(error, ReadTimeoutError):
        return "the server was silent for too long"
    if isinstance(error, ProtocolError):
        return "the connection ended early"
    return str(error).rpartition(": ")[2].strip(" ')") or type(error).__name__
