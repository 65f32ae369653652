"""A running gateway takes a changed settings file at a reload."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.live.gateway import Gateway, running
from tests.support.waits import until


def test_a_reload_takes_what_the_settings_file_says_now(tmp_path: Path) -> None:
    file = tmp_path / "bpu.env"
    file.write_text("BPU_QUEUE_LIMIT=7\n")
    with running(tmp_path, env={"BPU_SETTINGS_FILE": str(file)}) as gateway:
        assert limits(gateway) == (7, 20)
        file.write_text("BPU_QUEUE_LIMIT=9\nBPU_SWAP_AFTER_S=3\n")
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: limits(gateway) == (9, 3))
        file.write_text("")
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: limits(gateway) == (64, 20))


def limits(gateway: Gateway) -> tuple[int, float]:
    slots = gateway.slots()
    return slots["queue_limit"], slots["swap_after_s"]
