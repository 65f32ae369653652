"""The program's entry: nothing but the call, and an exit that leaves no thread waiting in C stdio."""

from __future__ import annotations

import contextlib
import os
import sys

from bpu.simulator.console import main

if __name__ == "__main__":
    code = main(sys.argv[1:])
    # `--help` is argparse's and goes through Python's own buffer, which os._exit forgets.
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(code)
