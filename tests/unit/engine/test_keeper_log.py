"""A keeper goes on when its log cannot be written: full disk, ended or paused reader."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.unit.engine.conftest import leave_nothing

pytestmark = pytest.mark.live

#: Serves three jobs, each of which brings the keeper two lines of its log, and tells how often the model was loaded.
WORKER = """
import sys
from pathlib import Path
from tests.unit.engine.conftest import start_engine
from tests.unit.engine.jobs import answer, says, submit
engine = start_engine(Path(sys.argv[1]))
engine.start()
answers = [answer(submit(engine, says("hello"), f"job{n}")) for n in range(3)]
print(*answers, engine.status()["loads"], flush=True)
engine.stop()
"""


@contextmanager
def full_disk() -> Iterator[int]:
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123
        yield full.fileno()


@contextmanager
def gone_reader() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def paused_reader() -> Iterator[int]:
    """A pipe that is full to its last byte, as its reader does not read."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while os.write(writer, b"x" * 65536):
            continue
    except BlockingIOError:
        os.set_blocking(writer, True)
    yield writer
    assert os.get_blocking(writer), "all who share the pipe would have become non-blocking"
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("broken", [full_disk, gone_reader, paused_reader])
def test_3_a_log_that_cannot_be_written_ends_no_keeper(
    tmp_path: Path, broken: Callable[[], AbstractContextManager[int]]
) -> None:
    with broken() as log:
        done = subprocess.run(
            [sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE, stderr=log, timeout=60, check=False
        )
        assert done.stdout == b"hello hello hello 1\n"
        leave_nothing(tmp_path)
