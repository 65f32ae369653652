"""The entry point of the command line: `bpu`, and `python -m bpu` in the project's folder."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line. A library that is not installed is a sentence, whichever import meets it."""
    try:
        from bpu.cli import main

        main()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "bpu":
            raise
        from bpu.messages import say

        sys.exit(say("cli.libraries", name=error.name, python=sys.executable))


if __name__ == "__main__":
    run()
