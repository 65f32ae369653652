"""The activity of requests: what is kept of them, for how long, and who sees what."""

from __future__ import annotations

import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bpu.web.activity_store import ROWS, ActivityStore, Viewer, mask_address, row_of
from bpu.web.request_log import RequestRecord

FACTS = {
    "model": "m",
    "prompt_tokens": 90,
    "cached_tokens": 85,
    "completion_tokens": 60,
    "finish": "stop",
    "queued_ms": 1500.0,
    "load_ms": 500.0,
    "prefill_ms": 400.0,
    "decode_ms": 3508.8,
    "error": None,
}
LOCAL = Viewer("127.0.0.1", is_privileged=True)
Later = list[Callable[[], None]]


def record(client: str = "192.168.1.7", path: str = "/v1/chat/completions", **facts: Any) -> RequestRecord:
    return RequestRecord("id", "POST", path, client, 0.0, status=200, facts={**FACTS, **facts})


@pytest.fixture
def later() -> Later:
    """What the store has asked to be called back for."""
    return []


@pytest.fixture
def store(tmp_path: Path, later: Later) -> ActivityStore:
    return ActivityStore(
        tmp_path / "data/activity.sqlite3",
        later=lambda _, function: later.append(function),
        in_thread=lambda function: function(),
    )


def test_a_request_is_shown_once_while_it_is_written(tmp_path: Path, later: Later) -> None:
    """Whether its batch is written before the database is read or after it."""
    around: list[Callable[[], None]] = []

    def in_thread(function: Callable[[], Any]) -> Any:
        if around:
            around.pop()()  # another greenlet runs until the thread has begun
        return function()

    store = ActivityStore(
        tmp_path / "activity.sqlite3", later=lambda _, function: later.append(function), in_thread=in_thread
    )
    shown = list[int]()
    store.add(record())
    around.append(later.pop())
    shown.append(len(store.rows(LOCAL)))
    store.add(record())
    around.append(lambda: shown.append(len(store.rows(LOCAL))))
    later.pop()()
    assert shown == [1, 2]
    assert len(store.rows(LOCAL)) == 2


def test_a_request_is_kept_with_its_figures(store: ActivityStore, later: Later) -> None:
    store.add(record())
    store.write()
    [row] = store.rows(LOCAL)
    assert row["time"] == pytest.approx(time.time(), abs=60)
    assert {
        name: row[name] for name in ("client", "model", "wait_s", "first_s", "prompt", "cached", "tokens", "end")
    } == {
        "client": "192.168.1.7",
        "model": "m",
        "wait_s": 2.0,
        "first_s": 0.4,
        "prompt": 90,
        "cached": 85,
        "tokens": 60,
        "end": "stop",
    }
    assert round(row["rate"], 1) == 17.1
    assert row["question"] is None


def test_nothing_is_written_on_the_way_of_a_request(store: ActivityStore, later: Later, tmp_path: Path) -> None:
    for _ in range(3):
        store.add(record())
    assert not (tmp_path / "data").exists()
    assert len(later) == 1
    assert len(store.rows(LOCAL)) == 3, "what waits is seen already"
    later.pop()()
    assert len(store.rows(LOCAL)) == 3
    assert (tmp_path / "data/activity.sqlite3").exists()


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/responses", "/v1/messages", "/api/chat", "/api/generate"])
def test_every_way_to_ask_is_kept(store: ActivityStore, path: str) -> None:
    store.add(record(path=path))
    assert len(store.rows(LOCAL)) == 1


def test_only_requests_for_an_answer_are_kept(store: ActivityStore) -> None:
    store.add(record(path="/v1/models"))
    assert store.rows(LOCAL) == []


def test_a_refusal_is_kept_with_its_code() -> None:
    refused = RequestRecord("id", "POST", "/v1/chat/completions", "::1", 0.0, status=429, facts={"error": "queue_full"})
    row = row_of(refused)
    assert (row["end"], row["tokens"], row["rate"], row["wait_s"]) == ("queue_full", None, None, None)


def test_the_file_is_private(store: ActivityStore, tmp_path: Path) -> None:
    store.add(record())
    store.write()
    assert stat.S_IMODE((tmp_path / "data/activity.sqlite3").stat().st_mode) == 0o600


def test_others_addresses_are_shortened_and_their_words_left_out(store: ActivityStore) -> None:
    for client in ("192.168.1.7", "192.168.1.8"):
        said = record(client)
        said.texts.update(question="Why?", answer="Because.")
        store.add(said)
    store.write()
    seen = {row["client"]: row["answer"] for row in store.rows(Viewer("192.168.1.8", is_privileged=False))}
    assert seen == {"192.168.1.8": "Because.", "192.168.…": None}
    assert {row["client"] for row in store.rows(LOCAL)} == {"192.168.1.7", "192.168.1.8"}


@pytest.mark.parametrize(
    ("client", "short"),
    [
        ("10.1.2.3", "10.1.…"),
        ("::ffff:10.1.2.3", "10.1.…"),
        ("fe80::1%eth0", "fe80:0000:…"),
        ("unix", "unix"),
        ("<script>", "…"),
    ],
)
def test_an_address_is_shortened_to_its_network(client: str, short: str) -> None:
    assert mask_address(client) == short


def test_what_is_old_or_too_much_goes(store: ActivityStore, tmp_path: Path) -> None:
    store.add(record())
    store.write()
    with closing(sqlite3.connect(tmp_path / "data/activity.sqlite3")) as database, database:
        database.execute("UPDATE requests SET time = time - 8 * 24 * 3600")
        database.executemany(
            "INSERT INTO requests (time, client, path) VALUES (?, 'a', 'b')",
            [(time.time() - 100 + number / 1000,) for number in range(ROWS + 50)],
        )
    store.add(record("192.168.1.9"))
    store.write()
    with closing(sqlite3.connect(tmp_path / "data/activity.sqlite3")) as database:
        [(count, oldest)] = database.execute("SELECT COUNT(*), MIN(time) FROM requests")
    assert count == ROWS
    assert oldest > time.time() - 3600


def test_words_are_kept_for_a_day(store: ActivityStore, tmp_path: Path) -> None:
    said = record()
    said.texts.update(question="Why?", answer="Because.")
    said.began -= 25 * 3600
    store.add(said)
    store.write()
    [row] = store.rows(LOCAL)
    assert (row["question"], row["answer"], row["tokens"]) == (None, None, 60)
    store.add(record())
    store.write()
    assert b"Because." not in (tmp_path / "data/activity.sqlite3").read_bytes()


def test_words_leave_the_file_where_no_other_request_comes(store: ActivityStore, later: Later, tmp_path: Path) -> None:
    said = record()
    said.texts.update(question="Why?", answer="Because.")
    store.add(said)
    store.write()
    later.clear()
    store.expire_hourly()
    with closing(sqlite3.connect(tmp_path / "data/activity.sqlite3")) as database, database:
        database.execute("UPDATE requests SET time = time - 25 * 3600")
    later.pop()()
    assert b"Because." not in (tmp_path / "data/activity.sqlite3").read_bytes()
    assert len(later) == 1, "it is asked for again"


def test_long_words_stay_within_the_bound(store: ActivityStore, tmp_path: Path) -> None:
    for _ in range(40):
        for _ in range(40):
            said = record()
            said.texts.update(question="q" * 100_000, answer="a" * 100_000)
            store.add(said)
        store.write()
    assert (tmp_path / "data/activity.sqlite3").stat().st_size <= 16 * 1024 * 1024
    assert store.rows(LOCAL)


def test_a_broken_file_is_replaced(store: ActivityStore, tmp_path: Path) -> None:
    store.add(record())
    store.write()
    (tmp_path / "data/activity.sqlite3").write_bytes(b"not a database" * 1000)
    store.add(record())
    store.write()
    store.add(record("192.168.1.9"))
    store.write()
    assert [row["client"] for row in store.rows(LOCAL)] == ["192.168.1.9"]


def test_a_folder_that_cannot_be_written_disturbs_nobody(tmp_path: Path, later: Later) -> None:
    (tmp_path / "data").write_text("a file")
    store = ActivityStore(tmp_path / "data/x", later=lambda *_: None, in_thread=lambda function: function())
    store.add(record())
    store.write()
    assert store.rows(LOCAL) == []
