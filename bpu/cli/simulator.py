"""`simulator`: becomes the simulated console program, with all arguments passed on."""

from __future__ import annotations

import sys

import click

from bpu.board import tools
from bpu.project import IMPORT_ROOT


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    # PYTHONUNBUFFERED would unbuffer the C library's output too, unlike a real console.
    tools.replace([sys.executable, "-m", "bpu.simulator", *arguments], env={"PYTHONUNBUFFERED": ""}, cwd=IMPORT_ROOT)
