"""The door of the command line: `python -m bpu`."""

from __future__ import annotations

import sys

try:
    from bpu.cli import main
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] == "bpu":
        raise
    from bpu.messages import say

    sys.exit(say("cli.libraries", name=error.name, python=sys.executable))

if __name__ == "__main__":
    main(prog_name="python -m bpu")
