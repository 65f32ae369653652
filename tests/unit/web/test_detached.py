"""Detached answers as files: who may have one, who finds it, how it is read, and when it is gone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bpu import gevent_io
from bpu.web import detached as detached_module
from bpu.web.detached import (
    KEPT_S,
    MAX_ANSWERS,
    MAX_ANSWERS_PER_CLIENT,
    WORKER_LOST_S,
    AnswerNotKept,
    Detached,
    DetachedAnswers,
)
from tests.unit.engine.jobs import wait_for


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "answers"


@pytest.fixture
def answers(folder: Path) -> DetachedAnswers:
    return DetachedAnswers(folder)


def reserved(answers: DetachedAnswers, client: str = "10.0.0.1", key: str = "k") -> Detached:
    detached = answers.reserve(client, key)
    assert detached is not None
    return detached


def run(detached: Detached, *pieces: bytes, cancel: Callable[[], None] = lambda: None) -> None:
    """Run an answer of these pieces to its end."""
    closed: list[bool] = []
    detached.run(iter(pieces), cancel=cancel, close=lambda: closed.append(True))
    wait_for(lambda: closed)


def age(path: Path, seconds: float) -> None:
    """Let a file be older."""
    then = time.monotonic() - seconds
    os.utime(path, (then, then))


def test_an_answer_is_read_from_its_beginning_by_every_worker(answers: DetachedAnswers, folder: Path) -> None:
    detached = reserved(answers)
    run(detached, b"one ", b"two")
    for worker in (answers, DetachedAnswers(folder)):
        files = worker.find(detached.token, "k")
        assert b"".join(worker.read(files)) == b"one two"


def test_a_reader_follows_an_answer_that_goes_on(answers: DetachedAnswers) -> None:
    detached, more = reserved(answers), gevent_io.Flag()

    def pieces() -> Iterator[bytes]:
        yield b"one "
        more.wait(30)
        yield b"two"

    detached.run(pieces(), cancel=lambda: None, close=lambda: None)
    reader = answers.read(answers.find(detached.token, "k"))
    assert next(reader) == b"one "
    more.set()
    assert b"".join(reader) == b"two"


@pytest.mark.parametrize(("token", "key"), [(True, "other"), (False, "k"), (False, "")])
def test_without_the_token_and_the_key_nothing_is_found(answers: DetachedAnswers, token: bool, key: str) -> None:
    detached = reserved(answers)
    with pytest.raises(AnswerNotKept) as caught:
        answers.find(detached.token if token else "guessed", key)
    assert (caught.value.status, caught.value.code) == (404, "answer_not_kept")
    detached.end()


def test_the_files_are_private_and_hold_neither_token_nor_key(answers: DetachedAnswers, folder: Path) -> None:
    detached = reserved(answers, client="10.0.0.77")
    run(detached, b"data")
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert detached.token not in path.read_text()
        assert "10.0.0.77" not in path.name + path.read_text()


def test_a_client_has_few_places_and_a_new_answer_takes_that_of_its_oldest_ended_one(answers: DetachedAnswers) -> None:
    mine = [reserved(answers) for _ in range(MAX_ANSWERS_PER_CLIENT)]
    assert answers.reserve("10.0.0.1", "k") is None
    reserved(answers, client="10.0.0.2").discard()
    for one in mine:
        run(one, b"data")
    age(mine[0].files.end, 30)
    new = reserved(answers)
    with pytest.raises(AnswerNotKept):
        answers.find(mine[0].token, "k")
    assert answers.find(mine[1].token, "k").name == mine[1].files.name
    new.end()


def test_all_clients_together_have_a_limit(answers: DetachedAnswers) -> None:
    taken = [reserved(answers, client=f"10.0.1.{number}") for number in range(MAX_ANSWERS)]
    assert answers.reserve("10.0.2.1", "k") is None
    taken[0].discard()
    reserved(answers, client="10.0.2.1").end()
    for one in taken:
        one.end()


def test_an_answer_that_was_discarded_leaves_no_file(answers: DetachedAnswers, folder: Path) -> None:
    reserved(answers).discard()
    assert list(folder.iterdir()) == []


def test_what_has_expired_or_lost_its_worker_is_gone(answers: DetachedAnswers, folder: Path) -> None:
    ended, lost = reserved(answers), reserved(answers)
    run(ended, b"data")
    age(ended.files.end, KEPT_S + 1)
    age(lost.files.facts, WORKER_LOST_S + 1)
    for one in (ended, lost):
        with pytest.raises(AnswerNotKept):
            answers.find(one.token, "k")
    other = reserved(answers, client="10.0.0.2")
    own = {other.files.facts.stem, other.files.name}
    assert {path.stem for path in folder.iterdir()} == own, "they were swept up"
    other.end()
    lost.end()


def test_an_answer_is_not_removed_when_the_one_before_it_expires(
    answers: DetachedAnswers, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the slot of the one before it, which leaves an alarm."""
    monkeypatch.setattr(detached_module, "KEPT_S", 0.05)
    expiring = [reserved(answers) for _ in range(MAX_ANSWERS_PER_CLIENT)]
    for one in expiring:
        run(one, b"old")
    expired = gevent_io.Flag()
    gevent_io.Alarm(0.05, expired.set)
    monkeypatch.setattr(detached_module, "KEPT_S", KEPT_S)
    new = [reserved(answers) for _ in range(MAX_ANSWERS_PER_CLIENT)]
    assert {one.files.facts for one in new} == {one.files.facts for one in expiring}
    run(new[0], b"new")
    assert expired.wait(30)
    for worker in (answers, DetachedAnswers(folder)):
        assert b"".join(worker.read(worker.find(new[0].token, "k"))) == b"new"
    assert answers.find(new[1].token, "k").name == new[1].files.name
    new[1].end()


def test_an_answer_has_not_ended_because_one_that_lost_its_slot_has(answers: DetachedAnswers) -> None:
    lost = reserved(answers)
    age(lost.files.facts, WORKER_LOST_S + 1)
    new, more = reserved(answers), gevent_io.Flag()
    assert new.files.facts == lost.files.facts

    def pieces() -> Iterator[bytes]:
        more.wait(30)
        yield b"all"

    new.run(pieces(), cancel=lambda: None, close=lambda: None)
    lost.end()
    reader = answers.read(answers.find(new.token, "k"))
    gevent_io.call_soon(more.set)
    assert b"".join(reader) == b"all"


@pytest.mark.parametrize("facts", ["", "[]", "{", '{"token": 7}'])
def test_a_slot_with_broken_facts_is_free_again(
    answers: DetachedAnswers, folder: Path, monkeypatch: pytest.MonkeyPatch, facts: str
) -> None:
    broken = [reserved(answers) for _ in range(MAX_ANSWERS_PER_CLIENT)]
    for one in broken:
        one.files.facts.write_text(facts)
        age(one.files.facts, WORKER_LOST_S + 1)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + KEPT_S + 1)
    new = reserved(answers)
    assert {path.stem for path in folder.iterdir()} == {new.files.facts.stem, new.files.name}
    for one in (*broken, new):
        one.end()


def test_an_answer_does_not_end_because_the_clock_is_set(
    answers: DetachedAnswers, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board without a battery for its clock sets it some seconds after boot."""
    detached, more, cancelled = reserved(answers), gevent_io.Flag(), list[bool]()

    def pieces() -> Iterator[bytes]:
        yield b"one "
        more.wait(30)
        yield b"two"

    detached.run(pieces(), cancel=lambda: cancelled.append(True), close=lambda: None)
    workers = (answers, DetachedAnswers(folder))
    readers = [worker.read(worker.find(detached.token, "k")) for worker in workers]
    assert [next(reader) for reader in readers] == [b"one ", b"one "]
    rest: list[list[bytes]] = [[], []]
    for got, reader in zip(rest, readers, strict=True):
        gevent_io.spawn(lambda got=got, reader=reader: got.extend(reader))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3 * 365 * 86400)
    looked = gevent_io.Flag()
    gevent_io.Alarm(2 * detached_module.TOUCH_INTERVAL_S, looked.set)
    assert looked.wait(30)
    reserved(DetachedAnswers(folder), client="10.0.0.9").discard()  # which sweeps
    more.set()
    wait_for(lambda: all(rest))
    assert (rest, cancelled) == ([[b"two"], [b"two"]], [])


def test_a_file_that_is_touched_while_its_age_is_asked_for_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]

    class Touched:
        """A file that another worker touches just before its time is read."""

        def stat(self) -> SimpleNamespace:
            clock[0] += 1
            return SimpleNamespace(st_mtime=clock[0])

    path: Any = Touched()
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: clock[0])
        found = detached_module._age(path)
    assert found == 0


def test_an_answer_whose_job_waited_long_for_its_place_is_read(answers: DetachedAnswers, folder: Path) -> None:
    detached = reserved(answers)
    wait_for(lambda: detached.files.facts.stat().st_mtime > 0)
    age(detached.files.facts, WORKER_LOST_S + 1)
    wait_for(lambda: not detached.files.is_over, seconds=5)
    run(detached, b"all")
    assert b"".join(answers.read(answers.find(detached.token, "k"))) == b"all"


def test_an_answer_without_a_reader_is_cancelled(answers: DetachedAnswers) -> None:
    detached, cancelled = reserved(answers), gevent_io.Flag()
    age(detached.files.read, KEPT_S + 1)

    def pieces() -> Iterator[bytes]:
        cancelled.wait(30)
        yield b"cut"

    detached.run(pieces(), cancel=cancelled.set, close=lambda: None)
    wait_for(lambda: detached.has_ended)
    assert cancelled.is_set()


def test_one_that_grows_too_large_is_not_kept_but_its_present_reader_gets_all(
    answers: DetachedAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached_module, "MAX_BYTES", 8)
    detached, more = reserved(answers), gevent_io.Flag()

    def pieces() -> Iterator[bytes]:
        yield b"first "
        more.wait(30)
        yield b"second"

    detached.run(pieces(), cancel=lambda: None, close=lambda: None)
    files = answers.find(detached.token, "k")
    reader = answers.read(files)
    assert next(reader) == b"first "
    more.set()
    assert b"".join(reader) == b"second"
    with pytest.raises(AnswerNotKept):
        answers.read(files)


def test_a_reader_of_another_worker_gets_all_of_one_that_grows_too_large(
    answers: DetachedAnswers, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detached_module, "MAX_BYTES", 8)
    detached, more, last = reserved(answers), gevent_io.Flag(), gevent_io.Flag()

    def pieces() -> Iterator[bytes]:
        yield b"first "
        more.wait(30)
        yield b"second "
        last.wait(30)
        yield b"third"

    detached.run(pieces(), cancel=lambda: None, close=lambda: None)
    other = DetachedAnswers(folder)
    reader = other.read(other.find(detached.token, "k"))
    assert next(reader) == b"first "
    more.set()
    assert next(reader) == b"second "
    gevent_io.Alarm(3 * detached_module.POLL_S, last.set)  # meanwhile the reader looks for more
    assert b"".join(reader) == b"third"


def test_a_folder_that_cannot_be_made_costs_the_detaching_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert DetachedAnswers(tmp_path / "file" / "answers").reserve("10.0.0.1", "k") is None
    assert "No answer can be detached" in caplog.text
    nowhere: Any = DetachedAnswers.none()
    assert nowhere.reserve("10.0.0.1", "k") is None
    with pytest.raises(AnswerNotKept):
        nowhere.find("token", "k")
