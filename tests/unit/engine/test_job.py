"""A job between its keeper, which the test plays, and a console that is a pair of pipes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bpu import errors, gevent_io
from bpu.engine import protocol
from bpu.engine.client import job as job_module
from bpu.engine.client.job import Job
from bpu.engine.client.turn_reader import TurnReader
from bpu.engine.launch_spec import LaunchSpec
from bpu.engine.messages import FailJob, Message, SubmitJob
from bpu.turn import Turn
from tests.unit.engine.conftest import start_engine
from tests.unit.engine.jobs import START, wait_for

pytestmark = pytest.mark.live


class Keeper:
    """What a job sees of its keeper; `sent` are the job's messages."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.status = SimpleNamespace(load_s=None, queued=[])
        self.deliver: Callable[[Message, list[int]], None] = lambda message, fds: None

    def open_job_channel(self, on_message: Callable[[Message, list[int]], None], on_closed: Any) -> Any:
        self.deliver = on_message
        return SimpleNamespace(send=self.sent.append, close=lambda: None)

    def launch_fields(self, launch: LaunchSpec) -> dict[str, Any]:
        return {"fingerprint": "", "launch": "", "table": "", "previous": ""}

    def keep_ready(self) -> None:
        """Nothing else is to be ready."""


class Rig:
    """One job that waits for the console; `output` is the console's end of its pipe."""

    def __init__(self, folder: Path) -> None:
        engine = start_engine(folder)
        self.keeper, self.ended = Keeper(), 0
        self.job = Job(
            self.keeper,  # type: ignore[arg-type]
            Turn(line=b"hi", tokens=1),
            launch=engine.launch,
            job_id="job",
            conversation_digest=lambda raw: "",
            count_tokens=len,
            queue_timeout_s=0,
            on_end=self._count_end,
        )
        engine.stop()
        self.input, self.to_console = os.pipe()
        self.from_console, self.output = os.pipe()
        os.set_blocking(self.from_console, False)
        os.set_blocking(self.to_console, False)
        gevent_io.spawn(self.job.join)
        wait_for(lambda: any(isinstance(message, SubmitJob) for message in self.keeper.sent))

    def lend(self) -> list[int]:
        """Lend the job the console, as the keeper does; return the descriptors."""
        self.lent = [os.dup(self.to_console), os.dup(self.from_console)]
        self.keeper.deliver(START, [*self.lent])
        return self.lent

    def _count_end(self, job: Job) -> None:
        self.ended += 1

    def close(self) -> None:
        for fd in (self.input, self.output, self.to_console, self.from_console):
            os.close(fd)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.lend()
    yield rig
    rig.job.close()
    rig.close()


def test_a_job_that_is_closed_as_its_console_gets_out_of_sync_ends(rig: Rig) -> None:
    os.write(rig.output, b"[User] <<< ")  # no answer begins so
    gevent_io.sleep(0)  # the job waits for output, which it has not read yet
    rig.job.close()
    wait_for(lambda: rig.ended == 1)
    assert [message for message in rig.keeper.sent if isinstance(message, FailJob) and message.retry] == []


def test_a_job_whose_console_gets_out_of_sync_before_any_text_joins_again(rig: Rig) -> None:
    os.write(rig.output, b"[User] <<< ")
    wait_for(lambda: any(isinstance(message, FailJob) for message in rig.keeper.sent))
    assert [message.retry for message in rig.keeper.sent if isinstance(message, FailJob)] == [True]
    assert (rig.job.is_waiting, rig.ended) == (True, 0)


def test_a_job_whose_client_leaves_while_a_keeper_is_started_is_not_submitted(tmp_path: Path) -> None:
    """Its connection would keep the console for as long as the keeper lets a job run."""
    opening, opened = gevent_io.Flag(), gevent_io.Flag()
    sent, closed = list[Message](), list[bool]()

    def open_job_channel(*_callbacks: Any) -> Any:
        opening.set()
        opened.wait(10)
        return SimpleNamespace(send=sent.append, close=lambda: closed.append(True))

    daemon: Any = SimpleNamespace(
        open_job_channel=open_job_channel,
        launch_fields=lambda launch: {"fingerprint": launch.fingerprint},
        status=SimpleNamespace(load_s=None, queued=0),
    )
    ours, client = socket.socketpair()
    job = Job(
        daemon,
        Turn(line=b"hi", tokens=1),
        launch=start_engine(tmp_path).launch,
        job_id="job",
        conversation_digest=lambda raw: "",
        count_tokens=len,
        queue_timeout_s=0,
        client=ours,
    )
    joining = gevent_io.spawn(job.join)
    assert opening.wait(10)
    client.close()
    wait_for(lambda: not job.is_waiting)
    opened.set()
    with pytest.raises(errors.ClientLeft):
        joining.get(timeout=10)
    assert (sent, closed) == ([], [True])
    ours.close()


def fail_at(method: str, error: BaseException) -> type[TurnReader]:
    """A reader that fails as it is made or as it begins."""

    class Faulty(TurnReader):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            if method == "__init__":
                raise error
            super().__init__(*arguments, **options)

        def begin(self) -> None:
            raise error

    return Faulty


@pytest.mark.parametrize("method", ["__init__", "begin"])
def test_a_job_whose_second_turn_fails_at_its_beginning_ends(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    os.write(rig.output, b"[User] <<< ")
    wait_for(lambda: any(isinstance(message, FailJob) for message in rig.keeper.sent))
    client = gevent_io.spawn(lambda: list(rig.job.events(5.0)))
    wait_for(lambda: len([message for message in rig.keeper.sent if isinstance(message, SubmitJob)]) == 2)
    monkeypatch.setattr(job_module, "TurnReader", fail_at(method, RuntimeError("a mistake of ours")))
    lent = rig.lend()
    wait_for(lambda: rig.ended == 1)
    with pytest.raises(errors.BpuError, match="inside the gateway"):
        client.get(timeout=5)
    assert [is_open(fd) for fd in lent] == [False, False]


@pytest.mark.parametrize("method", ["__init__", "begin"])
def test_a_job_whose_worker_is_ended_at_its_turn_can_be_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(job_module, "TurnReader", fail_at(method, SystemExit()))
    rig = Rig(tmp_path)
    with pytest.raises(SystemExit):
        rig.lend()
    rig.job.fail(errors.EngineStopping("The gateway is stopping."))
    rig.job.close()
    assert rig.ended == 1
    protocol.close_all([fd for fd in rig.lent if is_open(fd)])  # what the end of a real worker does
    rig.close()


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
