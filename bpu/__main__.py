"""The door of the command line: `python -m bpu`."""

from __future__ import annotations

from bpu.cli import main

if __name__ == "__main__":
    main(prog_name="python -m bpu")
