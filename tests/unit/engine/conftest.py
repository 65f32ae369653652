"""A real keeper with the simulator below it, and an engine in the test's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from bpu.engine.client.engine import Engine
from bpu.engine.client.launch_config import plan_launch
from bpu.engine.protocol import notify_shutdown
from bpu.settings import load_settings
from tests.live.gateway import command
from tests.support.waits import until
from tests.unit.engine.rig import Rig

FAST = "--speed max --decode-rate 140 --load-seconds 0"


def start_engine(folder: Path, *, options: str = "", queue_timeout_s: float = 60.0, **settings: Any) -> Engine:
    """An engine of the fast simulator; `options` are further ones of the simulator."""
    fixed = {
        "engine": "simulator",
        "reset": "command",
        "continue_": "never",
        "state_dir": folder,
        "data_dir": folder / "data",
    }
    launch = plan_launch(load_settings(**{**fixed, **settings, "console_args": f"{FAST} {options}".split()}))
    return Engine(launch, queue_timeout_s=queue_timeout_s)


def processes(folder: Path) -> list[psutil.Process]:
    """The keepers of `folder` and everything that descends from them."""
    while True:
        try:
            keepers = [process for process in psutil.process_iter() if str(folder) in command(process)]
            return [family for keeper in keepers for family in (keeper, *keeper.children(recursive=True))]
        except psutil.NoSuchProcess:
            continue  # one of them has ended while they were counted


def leave_nothing(folder: Path) -> None:
    """Check that a keeper nobody needs ends with its console; whatever has not ended by then is killed."""
    notify_shutdown(folder)
    try:
        until(lambda: not processes(folder), seconds=12, what="keeper and console are gone")
    finally:
        for process in processes(folder):
            process.kill()


@pytest.fixture
def engine_of(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Make engines on one state folder; afterwards nothing of them is left, whatever the test did."""
    with ExitStack() as stack:

        def begin(**options: Any) -> Engine:
            engine = start_engine(tmp_path, **options)
            stack.callback(engine.stop)
            engine.start()
            return engine

        yield begin
    leave_nothing(tmp_path)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A keeper's decisions without any process: its console is loading."""
    return Rig(tmp_path)


@pytest.fixture
def ready(rig: Rig) -> Rig:
    rig.banner()
    return rig
