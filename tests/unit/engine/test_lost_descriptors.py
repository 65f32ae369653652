"""A worker without a free descriptor reports a typed error and leaves the console unchanged."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Iterator

import pytest

from bpu import errors
from bpu.engine.client.engine import Engine
from tests.unit.engine.jobs import EngineOf, answer, console_of, says, submit, wait_for

pytestmark = pytest.mark.live


@contextlib.contextmanager
def free_descriptors(count: int) -> Iterator[None]:
    """This process can open `count` descriptors more, and no other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    top = os.open(os.devnull, os.O_RDONLY)
    taken = [top]
    try:
        # Where all below `top` are open, there must be `count` more to give back.
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(top + 1 + count, 64), hard))
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(top))
        for _ in range(count):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in taken:
            os.close(fd)


@pytest.mark.parametrize("free", [0, 1, 2], ids=["no-pipe", "one-pipe", "no-lock"])
def test_4_a_job_whose_pipes_are_lost_ends_and_the_next_has_the_same_console(engine_of: EngineOf, free: int) -> None:
    engine = engine_of(options="--load-seconds 2")
    console = console_of(engine).pid
    victim = submit(engine, says("never said"), "victim")  # waits for the console to load
    with free_descriptors(free), pytest.raises(errors.EngineStopping, match=r"descriptor|Too many open files") as told:
        list(victim.events(5.0))
    assert told.value.retry_after
    assert answer(submit(engine, says("served"), "next")) == "served"
    status = engine.status()
    assert (status["loads"], status["restarts"], status["console_pid"]) == (1, {}, console)


def test_4_a_keeper_that_cannot_be_reached_for_want_of_a_descriptor_is_a_typed_error(engine_of: EngineOf) -> None:
    engine = engine_of()
    wait_for(lambda: engine.status()["state"] == "ready")
    other = Engine(engine.launch)
    with free_descriptors(0):
        with pytest.raises(errors.EngineStopping, match="Too many open files") as told:
            submit(other, "hello")
        with pytest.raises(errors.EngineStopping):
            other.load()
        assert not engine.is_reachable
    assert told.value.retry_after
    assert engine.is_reachable
    assert answer(submit(other, says("served"), "later")) == "served"
    other.stop()


def test_4_a_keeper_without_a_free_descriptor_takes_connections_again_when_it_has_one(engine_of: EngineOf) -> None:
    engine = engine_of()
    wait_for(lambda: engine.status()["state"] == "ready")
    keeper = engine.status()["keeper_pid"]
    limits = resource.prlimit(keeper, resource.RLIMIT_NOFILE)
    resource.prlimit(keeper, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{keeper}/fd")), limits[1]))  # noqa: PTH208
    other = Engine(engine.launch)
    connected = other._daemon.connect()  # the kernel takes it, the keeper cannot
    resource.prlimit(keeper, resource.RLIMIT_NOFILE, limits)
    assert answer(submit(other, says("served"))) == "served"
    assert engine.status()["keeper_pid"] == keeper
    connected.close()
    other.stop()


def test_4_a_keeper_without_a_free_descriptor_loads_again_when_it_has_one(engine_of: EngineOf) -> None:
    """Before, its clients got an error that names a person's work, and sent nothing again."""
    engine = engine_of()
    wait_for(lambda: engine.status()["state"] == "ready")
    keeper = engine.status()["keeper_pid"]
    limits = resource.prlimit(keeper, resource.RLIMIT_NOFILE)
    resource.prlimit(keeper, resource.RLIMIT_NOFILE, (10, limits[1]))
    os.kill(engine.status()["console_pid"], signal.SIGKILL)
    wait_for(lambda: engine.status()["state"] == "failed" and "Too many open files" in engine.status()["error"])
    assert not engine.status()["person"]
    resource.prlimit(keeper, resource.RLIMIT_NOFILE, limits)
    wait_for(lambda: engine.status()["state"] == "ready", seconds=30)
    assert answer(submit(engine, says("served"))) == "served"
    assert engine.status()["keeper_pid"] == keeper
