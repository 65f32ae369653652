"""Runs the console, and exits without waiting for a thread that reads stdin."""

from __future__ import annotations

import contextlib
import os
import sys

from bpu.simulator.console import main

if __name__ == "__main__":
    code = main(sys.argv[1:])
    # argparse prints `--help` through Python's own buffer, which os._exit drops.
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(code)
