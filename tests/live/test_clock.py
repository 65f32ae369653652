"""A board without a battery starts in 1970 and jumps by decades when the network tells it the time: nothing breaks."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from bpu.board import tools
from tests.live.gateway import Gateway, running, sim
from tests.support.waits import until

SOURCE = Path(__file__).with_name("clock.c")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    made = tmp_path_factory.mktemp("clock") / "clock.so"
    result = tools.run(["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", made, SOURCE, "-ldl"], timeout=60)
    assert result.ok, result.err
    return made


def created(gateway: Gateway) -> int:
    return int(gateway.ask("1+1=?")["created"])


def year(moment: int) -> int:
    return datetime.fromtimestamp(moment, timezone.utc).year


@pytest.mark.parametrize("first", ["1970", "2090"])
def test_the_clock_jumps_within_an_answer(library: Path, tmp_path: Path, first: str) -> None:
    file = tmp_path / "offset"
    now = time.time()
    there = datetime(int(first), 6, 1, tzinfo=timezone.utc).timestamp()
    jump: Callable[[float], int] = lambda seconds: file.write_text(f"{int(seconds)}\n")  # noqa: E731
    jump(there - now)
    env = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(file), "BPU_STALL_TIMEOUT_S": "20"}
    with running(tmp_path, env=env) as gateway:
        assert year(created(gateway)) == int(first)
        streamed = gateway.stream(sim(tokens=120, rate=40)).until_text()
        jump(0)
        answer = streamed.read_to_end()
        assert answer.error is None
        assert answer.finish == "stop"
        assert year(created(gateway)) == datetime.now(timezone.utc).year
        jump(there - now)
        assert year(created(gateway)) == int(first), "and back again"
        until(lambda: gateway.state() == "ready")
        assert gateway.loads() == (1, {})
        assert "Traceback" not in gateway.log
