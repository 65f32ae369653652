"""Detached answers: they continue without a reader, for clients that send `X-BPU-Detach: 1`.

A gunicorn worker runs such an answer in its own greenlet and writes its bytes to a file in the state folder. The client
reads that file, and after a page reload reads it again, from any worker, by a secret token. An answer is cancelled
after two minutes without a reader, and removed two minutes after its end.

The workers coordinate through the files alone: a file's time, of the clock that no one sets, says when its answer was
last alive or last read. A client's slot is a file that is created exclusively and says whose it is; all other files are
named by their answer, so that what an answer leaves to be done later is not done to the next one in its slot.
"""

from __future__ import annotations

import hmac
import json
import logging
import math
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from socket import socket
from typing import Any

from bpu import gevent_io
from bpu.errors import BadRequest, ClientLeft
from bpu.web import sse

log = logging.getLogger("bpu.web")

#: Time that an answer continues without a reader, and is kept after its end.
KEPT_S = 120.0
#: Answers kept for one client address, ended ones included; a new one replaces the oldest ended one.
MAX_ANSWERS_PER_CLIENT = 2
#: Answers kept for all clients, because the folder is often in memory.
MAX_ANSWERS = 16
MAX_BYTES = 2 * 1024 * 1024
#: An answer that was not touched for so long has no worker any more.
WORKER_LOST_S = 15.0
#: A reader polls this often; the worker that runs the answer wakes its own readers at once.
POLL_S = 0.1
TOUCH_INTERVAL_S = 1.0
_PIECE_BYTES = 65536
_TOKEN_BYTES = 16
#: Of a digest in the name of a file.
_NAME_DIGITS = 16


class AnswerNotKept(BadRequest):
    """No answer is kept under this token and key."""

    status = 404
    code = "answer_not_kept"


class AnswerFiles:
    """The files of one answer.

    Facts (`.json`, by the slot), and by the answer: bytes (`.sse`), the last reader (`.read`), its end (`.end`).
    """

    def __init__(self, folder: Path, slot: str, token_digest: str) -> None:
        self._token_digest = token_digest
        self.name = token_digest[:_NAME_DIGITS]
        self.facts, self.bytes = folder / f"{slot}.json", folder / f"{self.name}.sse"
        self.read, self.end = folder / f"{self.name}.read", folder / f"{self.name}.end"

    @property
    def has_ended(self) -> bool:
        """Whether the answer is over, whole or not."""
        return self.end.exists()

    @property
    def is_over(self) -> bool:
        """Whether the answer has expired or lost its slot or its worker."""
        ended, alive = _age(self.end), _age(self.facts)
        if ended is not None:
            return ended > KEPT_S
        return alive is None or alive > WORKER_LOST_S or not self._has_slot

    @property
    def _has_slot(self) -> bool:
        return _token_digest(_read_facts(self.facts)) == self._token_digest

    def remove(self) -> None:
        """Delete the files, the facts only while the slot is this answer's.

        Missing ones are no error.
        """
        for path in (self.bytes, self.read, self.end):
            path.unlink(missing_ok=True)
        if self._has_slot:
            self.facts.unlink(missing_ok=True)


class Detached:
    """A detached answer that this worker runs, in greenlets of its own."""

    def __init__(self, files: AnswerFiles, token: str) -> None:
        self.files, self.token = files, token
        self.changed = gevent_io.Flag()
        self._file = os.open(files.bytes, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        self._written = 0
        self._is_kept = True
        self._cancel: Callable[[], None] = lambda: None
        self.has_ended = False
        _mark(files.read)
        gevent_io.spawn(self._watch)  # from now on, because the job may wait long for its place

    def run(self, pieces: Iterable[bytes], *, cancel: Callable[[], None], close: Callable[[], None]) -> None:
        """Run the answer in a greenlet; return at once.

        `cancel` ends its job, `close` frees its response.
        """

        def write() -> None:
            try:
                for piece in pieces:
                    self._write(piece)
            except Exception:  # the stream reports its own errors as events, so this is a fault of the gateway
                log.exception("A detached answer has failed.")
            finally:
                close()
                self.end()

        self._cancel = cancel
        gevent_io.spawn(write)

    def end(self) -> None:
        """End the answer; may be called twice. Its files are kept for `KEPT_S`."""
        if self.has_ended:
            return
        self.has_ended = True
        os.close(self._file)
        if self._is_kept:
            _mark(self.files.end)
            gevent_io.Alarm(KEPT_S, self.files.remove)
        else:
            self.files.remove()
        self.changed.set()

    def discard(self) -> None:
        """Remove the files, because there is no answer."""
        self._is_kept = False
        self.end()

    def _write(self, piece: bytes) -> None:
        os.write(self._file, piece)
        self._written += len(piece)
        if self._is_kept and self._written > MAX_BYTES:
            # Present readers have the file open and continue; the answer can no longer be resumed.
            self._is_kept = False
            self.files.bytes.unlink(missing_ok=True)
        self.changed.set()

    def _watch(self) -> None:
        """Touch the files while the answer runs, and cancel it when it has no reader."""
        while not self.has_ended:
            _touch(self.files.facts)
            silent = _age(self.files.read)
            if silent is not None and silent > (KEPT_S if self._is_kept else WORKER_LOST_S):
                log.info("A detached answer is cancelled, because it has no reader.")
                self._cancel()
                return
            gevent_io.sleep(TOUCH_INTERVAL_S)


class DetachedAnswers:
    """The detached answers: runs those of one worker, reads those of all.

    `folder` is private to the user.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, Detached] = {}

    @classmethod
    def none(cls) -> DetachedAnswers:
        """Make an instance that keeps no answers."""
        return cls(Path(os.devnull))

    @property
    def is_running(self) -> bool:
        """Whether this worker runs an answer."""
        return any(not detached.has_ended for detached in self._running.values())

    def reserve(self, client: str, key: str) -> Detached | None:
        """Reserve files for an answer to `client`, None at its limit.

        `key` is the digest of the client's key.
        """
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._sweep()
            token = secrets.token_hex(_TOKEN_BYTES)
            files = self._create_files(client, {"key": key, "token": _digest(token)})
            if files is None:
                return None
            detached = Detached(files, token)
        except OSError as error:
            log.warning("No answer can be detached: %s", error)
            return None
        self._running = {name: other for name, other in self._running.items() if not other.has_ended}
        self._running[files.name] = detached
        return detached

    def find(self, token: str, key: str) -> AnswerFiles:
        """Find the answer of `token`. Raises `AnswerNotKept`."""
        for files, facts in self._all_files():
            fits = hmac.compare_digest(_digest(token), _token_digest(facts))
            if fits and hmac.compare_digest(key, str(facts.get("key", ""))) and not files.is_over:
                return files
        raise AnswerNotKept(
            "No answer is kept under this token and key. A detached answer is kept for two minutes after its end, "
            "up to 2 MiB, and goes on for two minutes without a reader."
        )

    def read(self, files: AnswerFiles, client: socket | None = None) -> Iterator[bytes]:
        """Read the bytes of an answer from its beginning to its end, until `client` disconnects.

        Raises `AnswerNotKept` at once when there are none.
        """
        try:
            file = files.bytes.open("rb", buffering=0)
        except OSError:
            raise AnswerNotKept("This answer has grown too large to be kept.") from None
        return _pieces(file, files, self._running.get(files.name), client)

    def _create_files(self, client: str, facts: dict[str, str]) -> AnswerFiles | None:
        """Create files in a free slot of `client`.

        If there is none, they replace its oldest ended answer.
        """
        client_digest = _digest(client)[:_NAME_DIGITS]
        slots = [f"{client_digest}-{number}" for number in range(MAX_ANSWERS_PER_CLIENT)]
        taken = [files for files, _facts in self._all_files()]
        if len(taken) < MAX_ANSWERS:
            for slot in slots:
                if files := self._create_facts(slot, facts):
                    return files
        own = [files for files in taken if files.facts.stem in slots and files.has_ended]
        for old in sorted(own, key=lambda files: -(_age(files.end) or 0)):
            old.remove()
            if files := self._create_facts(old.facts.stem, facts):
                return files
        return None

    def _create_facts(self, slot: str, facts: dict[str, str]) -> AnswerFiles | None:
        files = AnswerFiles(self._folder, slot, facts["token"])
        return files if _create(files.facts, json.dumps(facts)) else None

    def _all_files(self) -> list[tuple[AnswerFiles, dict[str, Any]]]:
        """Return the files of each answer, and its facts."""
        try:
            paths = list(self._folder.glob("*.json"))
        except OSError:
            return []
        found = [(path.stem, _read_facts(path)) for path in paths]
        return [(AnswerFiles(self._folder, slot, _token_digest(facts)), facts) for slot, facts in found]

    def _sweep(self) -> None:
        """Remove what is over, and what no answer owns any more."""
        owned: set[Path] = set()
        for files, _facts in self._all_files():
            if files.is_over:
                files.remove()
            owned |= {files.facts, files.bytes, files.read, files.end}
        for path in set(self._folder.iterdir()) - owned:
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_ctime > KEPT_S:
                    path.unlink()


def _pieces(file: Any, files: AnswerFiles, own: Detached | None, client: socket | None) -> Iterator[bytes]:
    left, changed = gevent_io.Flag(), own.changed if own else gevent_io.Flag()

    def on_disconnect() -> None:
        left.set()
        changed.set()

    watch = gevent_io.ClientWatch(client, on_disconnect) if client is not None else None
    touched = 0.0
    try:
        while not left.is_set():
            changed.clear()
            # Read before the bytes, because the end is marked after the last of them.
            has_ended = own.has_ended if own else files.has_ended or files.is_over
            if data := file.read(_PIECE_BYTES):
                yield data
            elif has_ended:
                return
            else:
                if time.monotonic() - touched >= TOUCH_INTERVAL_S:
                    touched = time.monotonic()
                    _touch(files.read)
                changed.wait(POLL_S)
        # The client has disconnected; a proxy in between gets the end of a stream.
        yield sse.event(ClientLeft("The client has left.").body()) + sse.DONE
    finally:
        if watch is not None:
            watch.close()
        file.close()


def _create(path: Path, text: str = "") -> bool:
    """Create a private file with its time, whole at once; return False if it exists."""
    new = path.with_name(f".{secrets.token_hex(_TOKEN_BYTES)}")
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(text)
        _set_time(new)
        os.link(new, path)
    except FileExistsError:
        return False
    finally:
        new.unlink(missing_ok=True)
    return True


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _token_digest(facts: dict[str, Any]) -> str:
    return str(facts.get("token", ""))


def _age(path: Path) -> float | None:
    """Seconds since the time of `path`, None if there is no such file.

    Infinite for a time of an earlier boot, or one that is not of this module.
    """
    try:
        touched = path.stat().st_mtime
    except OSError:
        return None
    age = time.monotonic() - touched  # the clock after the file, which another worker may touch at this moment
    return age if age >= 0 else math.inf


def _set_time(path: Path) -> None:
    """Set the time of a file to now, by the monotonic clock.

    A board without a battery sets its other clock after boot.
    """
    now = time.monotonic()
    os.utime(path, (now, now))


def _mark(path: Path) -> None:
    """Create an empty private file; a full disk costs only what it would have said."""
    with suppress(OSError):
        _create(path)


def _touch(path: Path) -> None:
    """Set the time of a file; a removed one stays so."""
    with suppress(OSError):
        _set_time(path)


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()
