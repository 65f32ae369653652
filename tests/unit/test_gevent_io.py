"""Timers and loops over descriptors in the event loop, on real pipes."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

import gevent
import pytest

from bpu import gevent_io

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


class Recorder:
    """Reads a pipe in steps, up to the byte that ends it, and notes what is called in which greenlet."""

    def __init__(self, inlet: int, *, fails: bool = False) -> None:
        self.calls: list[str] = []
        self.greenlets: set[object] = set()
        self._inlet, self._fails = inlet, fails

    def step(self, readable: bool) -> bool:
        self.greenlets.add(gevent.getcurrent())
        data = os.read(self._inlet, 1).decode() if readable else "time"
        self.calls.append(data)
        if self._fails and readable:
            raise ValueError(data)
        return data == "."

    def pass_on(self) -> None:
        self.calls.append("passed on")

    def loop(self, seconds: float = math.inf) -> gevent_io.ReadLoop:
        return gevent_io.ReadLoop(self._inlet, self.step, pass_on=self.pass_on, next_s=lambda: seconds)


def test_every_read_is_a_step_in_the_event_loop_and_passed_on_at_once(pipe: Pipe) -> None:
    recorder = Recorder(pipe[0])
    os.write(pipe[1], b"ab.rest")
    recorder.loop().run()
    recorder.calls.append("ended")
    gevent.sleep(0)
    assert recorder.calls == ["time", "passed on", "a", "passed on", "b", "passed on", ".", "ended", "passed on"]
    assert recorder.greenlets == {gevent.get_hub()}
    assert os.read(pipe[0], 9) == b"rest"


def test_a_step_without_data_follows_the_time_that_was_set(pipe: Pipe) -> None:
    recorder = Recorder(pipe[0])
    gevent.spawn_later(0.2, os.write, pipe[1], b".")
    recorder.loop(0.01).run()
    assert recorder.calls.count("time") > 3


def test_an_error_of_a_step_is_raised_where_the_loop_was_run(pipe: Pipe) -> None:
    recorder = Recorder(pipe[0], fails=True)
    os.write(pipe[1], b"a.")
    with pytest.raises(ValueError, match="a"):
        recorder.loop().run()
    recorder.calls.append("ended")
    gevent.sleep(0)
    assert recorder.calls == ["time", "passed on", "a", "ended", "passed on"]


def test_a_loop_whose_greenlet_is_killed_reads_nothing_more(pipe: Pipe) -> None:
    recorder = Recorder(pipe[0])
    runner = gevent.spawn(recorder.loop(0.001).run)
    gevent.sleep(0.05)
    runner.kill()
    seen = len(recorder.calls)
    os.write(pipe[1], b"a")
    gevent.sleep(0.05)
    assert len(recorder.calls) == seen > 0


def test_a_timer_that_is_set_anew_waits_for_the_whole_time_again() -> None:
    rings: list[int] = []
    timer = gevent_io.Timer(lambda: rings.append(1))
    for _ in range(10):
        timer.start(5.0)
    timer.start(None)
    timer.start(0.01)
    gevent.sleep(0.2)
    assert len(rings) > 1, "it repeats until it is stopped"
    timer.stop()
    rings.clear()
    gevent.sleep(0.05)
    timer.close()
    timer.close()
    assert rings == []


def test_a_switch_runs_the_waiting_greenlet_before_the_callback_goes_on() -> None:
    order: list[str] = []
    event = gevent_io.WakeEvent()

    def client() -> None:
        order.append(f"woken {event.wait(None)}")
        event.clear()
        order.append(f"timed out {event.wait(0.01)}")

    def callback() -> None:
        event.switch()
        order.append("callback")

    waiting = gevent.spawn(client)
    gevent.sleep(0)
    gevent_io.call_soon(callback)
    waiting.join()
    event.close()
    assert order == ["woken True", "callback", "timed out False"]
