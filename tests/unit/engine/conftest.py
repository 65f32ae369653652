"""Fixtures: a real keeper with the simulator, and an engine in the test's own process."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from bpu.engine.client import cpu_settings
from bpu.engine.client.engine import Engine
from bpu.engine.client.launch_config import build_launch_spec
from bpu.engine.protocol import notify_shutdown
from bpu.settings import load_settings
from tests.live.gateway import WITH_DEFAULTS, command
from tests.support.gguf_files import gguf, install_packages
from tests.support.waits import until
from tests.unit.engine.rig import Rig

FAST = "--speed max --decode-rate 140 --load-seconds 0"


def start_engine(folder: Path, *, options: str = "", queue_timeout_s: float = 60.0, **settings: Any) -> Engine:
    """Make an engine of the fast simulator; `options` are added to the simulator's."""
    fixed = {
        "engine": "simulator",
        **({} if os.environ.get(WITH_DEFAULTS) else {"reset": "command", "continue_": "never"}),
        "state_dir": folder,
        "data_dir": folder / "data",
    }
    launch = build_launch_spec(load_settings(**{**fixed, **settings, "console_args": f"{FAST} {options}".split()}))
    return Engine(launch, queue_timeout_s=queue_timeout_s)


def processes(folder: Path) -> list[psutil.Process]:
    """List the keepers of `folder` and all their descendants."""
    while True:
        try:
            keepers = [process for process in psutil.process_iter() if str(folder) in command(process)]
            return [family for keeper in keepers for family in (keeper, *keeper.children(recursive=True))]
        except psutil.NoSuchProcess:
            continue  # one of them has ended while they were counted


def leave_nothing(folder: Path) -> None:
    """Check that an unused keeper ends with its console; kill what has not ended by then."""
    notify_shutdown(folder)
    try:
        until(lambda: not processes(folder), seconds=30, what="keeper and console are gone")
    finally:
        for process in processes(folder):
            process.kill()


@pytest.fixture
def engine_of(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Make engines on one state folder, and check afterwards that none of their processes is left."""
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
    """A scheduler without any process, whose console is loading."""
    return Rig(tmp_path)


@pytest.fixture
def ready(rig: Rig) -> Rig:
    rig.banner()
    return rig


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings' folders lie in `tmp_path`."""
    monkeypatch.setenv("BPU_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BPU_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def cpu_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both packages of the processor's console are installed; the model's file, which is tiny."""
    install_packages(tmp_path / "site", monkeypatch)
    return gguf(tmp_path / "site" / cpu_settings.MODEL_PACKAGE / "small.gguf")


@pytest.fixture
def no_cpu_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages of the processor's console are not installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
