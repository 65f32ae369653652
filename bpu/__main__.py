"""Runs the command line: `bpu`, and `python -m bpu` in the project's folder."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line.

    A library that is not installed is a sentence, whichever import meets it.
    """
    try:
        from bpu.cli import main
        from bpu.messages import program

        # Usage lines name the command that works here; completion asks for it by its usual name.
        main(prog_name=program(), complete_var="_BPU_COMPLETE")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "bpu":
            raise
        from bpu.messages import translate
        from bpu.project import IMPORT_ROOT, INSTALLED

        key = "cli.broken_package" if INSTALLED else "cli.libraries"
        own = IMPORT_ROOT / ".venv/bin/bpu"
        sys.exit(translate(key, name=error.name, python=sys.executable, own=own, project=IMPORT_ROOT))


if __name__ == "__main__":
    run()
