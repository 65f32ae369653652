"""A job between its keeper, which the test plays, and a console that is a pair of pipes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bpu import gevent_io
from bpu.engine.client.job import Job
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
    """One job that has the console; `output` is the console's end of its pipe."""

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
        self.input, to_console = os.pipe()
        from_console, self.output = os.pipe()
        os.set_blocking(from_console, False)
        os.set_blocking(to_console, False)
        gevent_io.spawn(self.job.join)
        wait_for(lambda: any(isinstance(message, SubmitJob) for message in self.keeper.sent))
        self.keeper.deliver(START, [to_console, from_console])

    def _count_end(self, job: Job) -> None:
        self.ended += 1

    def close(self) -> None:
        for fd in (self.input, self.output):
            os.close(fd)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
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
