"""Runs the console, and exits without waiting for llama.cpp's threads."""

from __future__ import annotations

import os
import sys

from bpu.cpu_console.console import main

if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()  # `--help` is argparse's and goes through Python's own buffer
    os._exit(code)
