"""Runs a command beside a gateway of its own: `python -m tests.clients.with_gateway COMMAND...`, `GATEWAY_URL` set."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.live.gateway import running


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as gateway:
        env = {**os.environ, "GATEWAY_URL": f"{gateway.url}/v1"}
        return subprocess.run(sys.argv[1:], env=env, timeout=600, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
