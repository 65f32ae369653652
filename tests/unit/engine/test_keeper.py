"""Tests a keeper in the test's own process, with real sockets and a clock that the test moves."""

from __future__ import annotations

import os
import sys
from _socket import AF_UNIX, SOCK_SEQPACKET
from _socket import SocketType as RawSocket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from socket import socketpair
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bpu.engine import protocol
from bpu.engine.keeper import daemon
from bpu.engine.keeper.connection import Connection
from bpu.engine.keeper.console_locks import ConsoleLocks
from bpu.engine.keeper.daemon import LONGEST_HOLD_S, Keeper
from bpu.engine.keeper.scheduler import LONGEST_HAND_OVER_S, Scheduler
from bpu.engine.keeper.transition_log import TransitionLog
from bpu.engine.launch_spec import table_of
from bpu.engine.messages import Attach, OfferLaunch
from tests.unit.engine.rig import launch

#: The fake clock's smallest step.
STEP_S = 0.001


class Rig:
    """A keeper whose console is not loaded, and a worker's end of its lifeline."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        #: Whether a job's line is always on its way.
        self.hands_over = False
        monkeypatch.setattr(daemon, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(Scheduler, "hand_over_until", property(lambda scheduler: self._hand_over_until))
        self.launch = launch(folder, preload=False)
        log = cast(Any, sys.stderr)
        self.keeper = Keeper(table_of(self.launch), protocol.listen(folder), ConsoleLocks(), TransitionLog("text", log))
        ours, self.worker = (RawSocket(fileno=end.detach()) for end in socketpair(AF_UNIX, SOCK_SEQPACKET))
        for end in (ours, self.worker):
            end.setblocking(False)
        self.connection = Connection(ours, may_bring_launches=True)
        self.keeper._connections[ours.fileno()] = self.connection
        self.keeper._handle(self.connection, Attach(fingerprint=self.launch.fingerprint))
        self.statuses()

    @property
    def _hand_over_until(self) -> float:
        return self.now + LONGEST_HAND_OVER_S if self.hands_over else 0.0

    def change(self) -> None:
        """Change what the status says."""
        self.keeper.supervisor.loads += 1

    def statuses(self) -> int:
        """Count the statuses that the worker has been sent since the last call."""
        count = 0
        while protocol.receive_packet(self.worker) is not None:
            count += 1
        return count

    def close(self) -> None:
        loop = self.keeper.loop
        loop._epoll.close()
        for fd in (loop._wakeup, loop._signal_pipe):
            os.close(fd)
        for end in (self.connection.sock, self.worker, self.keeper.listener):
            end.close()


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    rig = Rig(tmp_path, monkeypatch)
    yield rig
    rig.close()


def test_a_status_waits_for_the_lines_of_jobs_for_a_bounded_time_however_many_there_are(rig: Rig) -> None:
    rig.change()
    began, rig.hands_over = rig.now, True
    while not rig.statuses():
        assert rig.now - began <= LONGEST_HOLD_S + STEP_S, "the status is held for too long"
        rig.keeper._advance()
        pause = rig.keeper._timeout()
        assert pause is not None
        rig.now += max(pause, STEP_S)
    assert rig.now - began >= LONGEST_HOLD_S - STEP_S, "it was not held"
    rig.change()
    rig.keeper._advance()
    assert rig.statuses() == 0, "the next one is held again"
    rig.hands_over = False
    rig.keeper._advance()
    assert rig.statuses() == 1


def test_a_keeper_that_holds_news_back_sleeps_meanwhile(rig: Rig) -> None:
    """What a worker did not read is due long ago, and a place, too: neither is sent now."""
    while rig.connection.send_status(replace(rig.keeper._status(), loads=rig.keeper.supervisor.loads)):
        rig.change()
    rig.keeper._advance()
    rig.keeper._places_pending = True
    rig.now += 0.5
    rig.hands_over = True
    rig.keeper._advance()
    assert rig.keeper._timeout() == pytest.approx(LONGEST_HAND_OVER_S)


def test_a_launch_whose_console_program_is_gone_is_refused_and_ends_nothing(rig: Rig, tmp_path: Path) -> None:
    gone = replace(rig.launch, model="other", simulated=False, lock_path=str(tmp_path.parent / "gone" / "console"))
    table = next(iter(rig.keeper._tables))
    offer = OfferLaunch(fingerprint=gone.fingerprint, launch=gone.text, table=table)
    assert "cannot be taken" in rig.keeper._admit(rig.connection, offer)
    assert not rig.keeper.scheduler.registry.knows(gone.fingerprint)
