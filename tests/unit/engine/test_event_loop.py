"""Tests the keeper's event loop on real descriptors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

import pytest

from bpu.engine.keeper.event_loop import Loop


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            continue  # the test has closed it


def never(error: Exception) -> None:
    raise error


def test_what_is_forgotten_before_the_turn_is_not_called(pipe: tuple[int, int]) -> None:
    loop, called = Loop(never), []
    os.write(pipe[1], b"x")
    loop.listen(pipe[0], lambda: called.append("first"))
    loop.forget(pipe[0])
    loop.turn(0)
    assert called == []
    loop.listen(pipe[0], lambda: called.append("second"))
    assert loop.listens(pipe[0])
    loop.turn(0)
    assert called == ["second"]
    loop.forget(pipe[0])
    loop.forget(pipe[0])
    loop.turn(0)
    assert called == ["second"]


def test_a_callback_that_an_earlier_one_has_replaced_is_not_called_in_that_turn() -> None:
    loop, called = Loop(never), []
    pipes = [os.pipe() for _ in range(2)]
    readers = [reader for reader, _ in pipes]

    def replace_the_other(own: int) -> None:
        called.append("old")
        (other,) = (fd for fd in readers if fd != own)
        loop.forget(own)
        loop.forget(other)
        loop.listen(other, lambda: called.append("new"))

    for reader, writer in pipes:
        loop.listen(reader, partial(replace_the_other, reader))
        os.write(writer, b"x")
    loop.turn(0)
    assert called == ["old"]
    loop.turn(0)
    assert called == ["old", "new"]
    for one in pipes:
        for fd in one:
            os.close(fd)


def test_a_descriptor_that_was_closed_too_early_fails_one_turn_only(pipe: tuple[int, int]) -> None:
    loop, called = Loop(never), []
    closed = os.dup(pipe[0])
    loop.listen(closed, lambda: called.append("closed"))
    loop.listen(pipe[0], lambda: called.append("open"))
    os.close(closed)
    os.write(pipe[1], b"x")
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.turn(0)
    loop.turn(0)
    assert called == ["open"]
    assert not loop.listens(closed)
