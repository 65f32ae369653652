"""Runs a command beside a gateway of its own: `python -m tests.clients.with_gateway COMMAND...`, `GATEWAY_URL` set.

`SEEING_GATEWAY_URL` is a second one, whose model takes images.

Whatever Python runs in it can reach nothing but this machine; an attempt is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.live.gateway import running

GUARD = Path(__file__).parent / "guard"


def guarded(command: Sequence[str], folder: Path, **more: str) -> tuple[int, str]:
    """Run `command` behind the guard: how it ended, and what it tried to reach."""
    reached = folder / "reached"
    reached.touch()
    env = {**os.environ, "PYTHONPATH": str(GUARD), "REACHED": str(reached), **more}
    code = subprocess.run(command, env=env, timeout=600, check=False).returncode
    return code, reached.read_text()


def main() -> int:
    eyes = {"BPU_CONSOLE_PROFILE": "vlm"}
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as other,
        running(Path(folder)) as gateway,
        running(Path(other), env=eyes) as seeing,
    ):
        urls = {"GATEWAY_URL": f"{gateway.url}/v1", "SEEING_GATEWAY_URL": f"{seeing.url}/v1"}
        code, reached = guarded(sys.argv[1:], Path(folder), **urls)
    if reached:
        print(f"Something else than this machine was to be reached:\n{reached}")
    return code or bool(reached)


if __name__ == "__main__":
    sys.exit(main())
