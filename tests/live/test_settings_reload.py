"""A running gateway takes a changed settings file at a reload."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.live.gateway import running
from tests.support.waits import until


def test_a_reload_takes_what_the_settings_file_says_now(tmp_path: Path) -> None:
    file = tmp_path / "bpu.env"
    file.write_text("BPU_QUEUE_LIMIT=7\n")
    with running(tmp_path, env={"BPU_SETTINGS_FILE": str(file)}) as gateway:
        assert gateway.json("GET", "/slots")["queue_limit"] == 7
        file.write_text("BPU_QUEUE_LIMIT=9\n")
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: gateway.json("GET", "/slots")["queue_limit"] == 9)
        file.write_text("")
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: gateway.json("GET", "/slots")["queue_limit"] == 64)
