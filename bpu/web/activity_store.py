"""Stores the last requests of all clients in a small database, with texts if configured.

A worker collects finished requests, and a thread beside its event loop writes them in batches, so that a slow SD card
delays no token. Rows that cannot be written are dropped. The file is private to the gateway's user.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpu.chat.deltas import Content, Delta, Reasoning
from bpu.chat.requests import ChatRequest
from bpu.web.request_log import RequestRecord

log = logging.getLogger("bpu.web")

ROWS = 10_000
BYTES = 16 * 1024 * 1024
KEPT_S = 7 * 24 * 3600.0
TEXTS_KEPT_S = 24 * 3600.0
#: Rows that wait in memory to be written; further ones are dropped.
PENDING = 1000
WRITE_EVERY_S = 5.0
#: Old rows and texts are removed as often, where no request comes that is written.
EXPIRE_EVERY_S = 3600.0
#: Characters kept of one question or answer.
MAX_TEXT_CHARS = 20_000
#: Paths whose requests are recorded.
RECORDED_PATHS = (
    *("/v1/chat/completions", "/v1/completions", "/v1/responses"),
    *("/v1/messages", "/api/chat", "/api/generate"),
)

COLUMNS = ("time", "client", "path", "model", "wait_s", "first_s", "rate", "prompt", "cached", "tokens", "end")
TEXT_COLUMNS = ("question", "answer")
_PAGE_BYTES = 4096
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, client TEXT NOT NULL, path TEXT NOT NULL, model TEXT,
    wait_s REAL, first_s REAL, rate REAL, prompt INTEGER, cached INTEGER, tokens INTEGER, end TEXT,
    question TEXT, answer TEXT
);
CREATE INDEX IF NOT EXISTS by_time ON requests (time);
PRAGMA secure_delete = ON;
PRAGMA max_page_count = {BYTES // _PAGE_BYTES};
"""
Row = dict[str, Any]


@dataclass(frozen=True)
class Viewer:
    """The client that reads the activity; a privileged one sees all addresses and texts."""

    client: str
    is_privileged: bool


class ActivityStore:
    """Writes the requests of one worker to the database that all workers share.

    `later(seconds, function)` calls back in a greenlet; `in_thread(function)` runs it in a thread and returns its
    result.
    """

    def __init__(
        self,
        path: Path,
        *,
        later: Callable[[float, Callable[[], None]], object],
        in_thread: Callable[[Callable[[], Any]], Any],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._later, self._in_thread, self._clock = later, in_thread, clock
        self._pending: list[Row] = []
        self._writing: list[list[Row]] = []  # batches that are perhaps not in the database yet
        self._is_write_scheduled = False
        self._is_reported = False

    def add(self, record: RequestRecord) -> None:
        """Add a finished request; only those to `RECORDED_PATHS` are kept."""
        if record.path not in RECORDED_PATHS or len(self._pending) >= PENDING:
            return
        self._pending.append(row_of(record))
        if not self._is_write_scheduled:
            self._is_write_scheduled = True
            self._later(WRITE_EVERY_S, self._write_soon)

    def expire_hourly(self) -> None:
        """Remove old rows and texts every hour from now on, whether requests come or not."""

        def expire() -> None:
            self._in_thread(lambda: self._write([]) if self._path.exists() else None)
            self.expire_hourly()

        self._later(EXPIRE_EVERY_S, expire)

    def rows(self, viewer: Viewer, *, limit: int = 200) -> list[Row]:
        """Return the latest requests as `viewer` may see them, unwritten ones included, the newest first."""
        unwritten = [row for batch in (*self._writing, self._pending) for row in batch]
        pending = [{name: row.get(name) for name in (*COLUMNS, *TEXT_COLUMNS)} for row in reversed(unwritten)]
        # Some of them may be written before the database is read.
        written = [row for row in self._in_thread(lambda: self._read(limit)) if row not in pending]
        return [redact_for(viewer, row) for row in [*pending, *written][:limit]]

    def write(self) -> None:
        """Write the waiting rows in the calling thread, when the worker stops."""
        batch, self._pending = self._pending, []
        if batch:
            self._write(batch)

    def _write_soon(self) -> None:
        batch, self._pending, self._is_write_scheduled = self._pending, [], False
        self._writing.append(batch)
        try:
            self._in_thread(lambda: self._write(batch))
        finally:
            self._writing = [other for other in self._writing if other is not batch]

    def _write(self, batch: Sequence[Row]) -> None:
        try:
            self._insert(batch)
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                self._path.unlink(missing_ok=True)  # no longer a database, after a power cut during a write
            if not self._is_reported:
                self._is_reported = True
                log.warning("The activity of requests cannot be written to %s: %s", self._path, error)

    def _insert(self, batch: Sequence[Row]) -> None:
        names = (*COLUMNS, *TEXT_COLUMNS)
        marks = ", ".join("?" * len(names))
        with closing(self._connect()) as database:
            with database:
                _prune(database, self._clock(), room=ROWS - len(batch))
            with database:
                database.executemany(
                    f"INSERT INTO requests ({', '.join(names)}) VALUES ({marks})",
                    [tuple(row.get(name) for name in names) for row in batch],
                )

    def _read(self, limit: int) -> list[Row]:
        if not self._path.exists():
            return []
        names = (*COLUMNS, *TEXT_COLUMNS)
        select = f"SELECT {', '.join(names)} FROM requests WHERE time > ? ORDER BY time DESC LIMIT ?"
        try:
            with closing(self._connect()) as database:
                now = self._clock()
                found = [dict(zip(names, row, strict=True)) for row in database.execute(select, (now - KEPT_S, limit))]
        except (OSError, sqlite3.Error):
            return []
        return [row if row["time"] > now - TEXTS_KEPT_S else {**row, "question": None, "answer": None} for row in found]

    def _connect(self) -> sqlite3.Connection:
        if not self._path.exists():
            self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        database = sqlite3.connect(self._path, timeout=5)
        try:
            database.executescript(_SCHEMA)
        except sqlite3.Error:
            database.close()
            raise
        return database


def _prune(database: sqlite3.Connection, now: float, *, room: int) -> None:
    """Remove old and surplus rows; SQLite reuses the freed pages."""
    database.execute("DELETE FROM requests WHERE time <= ?", (now - KEPT_S,))
    database.execute(
        "UPDATE requests SET question = NULL, answer = NULL WHERE time <= ? AND question IS NOT NULL",
        (now - TEXTS_KEPT_S,),
    )
    database.execute(
        "DELETE FROM requests WHERE id <= (SELECT id FROM requests ORDER BY id DESC LIMIT 1 OFFSET ?)", (room,)
    )
    (pages,), (free,) = (database.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count"))
    if (pages - free) * _PAGE_BYTES > BYTES * 3 // 4:
        database.execute("DELETE FROM requests WHERE id <= (SELECT (MIN(id) + MAX(id)) / 2 FROM requests)")


def row_of(record: RequestRecord) -> Row:
    """Return a request as a row.

    `first_s` is the time to the first token after the wait.
    """
    facts = record.facts
    decode_s = facts.get("decode_ms", 0.0) / 1000
    tokens = facts.get("completion_tokens")
    has_run = "queued_ms" in facts
    return {
        "time": record.began,
        "client": record.client,
        "path": record.path,
        "model": facts.get("model"),
        "wait_s": (facts["queued_ms"] + facts["load_ms"]) / 1000 if has_run else None,
        "first_s": facts["prefill_ms"] / 1000 if has_run else None,
        "rate": tokens / decode_s if tokens and decode_s > 0.05 else None,
        "prompt": facts.get("prompt_tokens"),
        "cached": facts.get("cached_tokens"),
        "tokens": tokens,
        "end": facts.get("error") or facts.get("finish") or str(record.status),
        **{name: text[:MAX_TEXT_CHARS] for name, text in record.texts.items() if name in TEXT_COLUMNS},
    }


class TextRecorder:
    """Adds the texts of a question and its answer to the record.

    Its owner calls `add` for each delta, then `close`.
    """

    def __init__(self, chat_request: ChatRequest, record: RequestRecord) -> None:
        messages = [f"{message.role}: {message.content}" for message in chat_request.messages]
        record.texts["question"] = "\n\n".join(messages)
        self._record = record
        self._texts: list[str] = []
        self._length = 0

    def add(self, delta: Delta) -> None:
        """Add the text of a delta, up to `MAX_TEXT_CHARS`."""
        if isinstance(delta, (Reasoning, Content)) and self._length < MAX_TEXT_CHARS:
            self._texts.append(delta.text)
            self._length += len(delta.text)

    def close(self) -> None:
        """Put the answer's text into the record."""
        self._record.texts["answer"] = "".join(self._texts)


def redact_for(viewer: Viewer, row: Row) -> Row:
    """Return `row`, without other clients' texts and full addresses for an unprivileged `viewer`."""
    if viewer.is_privileged or row["client"] == viewer.client:
        return row
    return {**row, "client": mask_address(row["client"]), "question": None, "answer": None}


def mask_address(client: str) -> str:
    """Return the network part of an address, which names no single machine."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client if client == "unix" else "…"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return f"{address.exploded[:9]}:…"
    plain = str(getattr(address, "ipv4_mapped", None) or address)
    return ".".join([*plain.split(".")[:2], "…"])


def activity_config(mode: str) -> Mapping[str, bool]:
    """Return what the page must know of `BPU_ACTIVITY`."""
    return {"enabled": mode != "0", "bodies": mode == "bodies"}
