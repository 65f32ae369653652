"""`setup`: leads through all steps from a new board to Chatbox.

Each step is a command of its own.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from bpu import settings_file
from bpu.board import tools
from bpu.cli._setup_steps import Step, StepState, Words, steps, with_places
from bpu.cli.doctor import show_finding, subject_of
from bpu.messages import program, sudo_program, translate
from bpu.project import IMPORT_ROOT
from bpu.settings import load_settings

#: What is left to do when the setup ends.
SOMETHING_LEFT = 3
#: Commands that ask for agreement themselves.
ASKING = (("ion", "apply"), ("service", "install"), ("reclaim",))


@click.command()
@click.option("--yes", is_flag=True, help=translate("setup.yes"))
@click.option("--dry-run", is_flag=True, help=translate("setup.dry_run"))
@click.option(
    "--sysfs", type=click.Path(path_type=Path, file_okay=False), default=Path("/"), metavar="FOLDER",
    help=translate("setup.sysfs"),
)  # fmt: skip
def command(yes: bool, dry_run: bool, sysfs: Path) -> None:
    run = SetupRun(yes=yes, dry_run=dry_run, sysfs=sysfs)
    found = steps()
    left = [step.name for number, step in enumerate(found, 1) if not run.run_step(step, number, len(found))]
    if left:
        names = ", ".join(translate(f"setup.step_{name}") for name in left)
        click.echo("\n" + translate("setup.left", names=names, again=f"{program()} setup"))
        click.get_current_context().exit(SOMETHING_LEFT)
    click.echo("\n" + translate("setup.done"))


class SetupRun:
    """One run of the setup, in the CLI.

    It shows, asks and runs the steps in their order.
    """

    def __init__(self, *, yes: bool, dry_run: bool, sysfs: Path) -> None:
        self._yes, self._dry_run, self._sysfs = yes, dry_run, sysfs

    def run_step(self, step: Step, number: int, count: int) -> bool:
        """Examine, show, ask and run one step; return whether it is complete."""
        click.echo("\n" + click.style(f"{number}/{count} {translate(f'setup.step_{step.name}')}", bold=True))
        settings_file.adopt()
        state = step.examine(subject_of(load_settings(), self._sysfs))
        for one in state.findings:
            show_finding(one)
        if state.is_done:
            click.echo(translate("setup.nothing_to_do"))
            return True
        if not state.command:
            click.echo(state.remedy or translate("setup.by_hand"))
            return self._end_if_needed(step)
        return self._run_command(step, state)

    def _run_command(self, step: Step, state: StepState) -> bool:
        words = with_places(state.command, sysfs=self._sysfs)
        click.echo(translate("setup.will_run", command=f"{self._caller(state)} {shlex.join(words)}"))
        if self._dry_run:
            return state.is_harmless
        if not (state.is_harmless or self._yes or click.confirm(translate("setup.ask"), default=True)):
            return self._end_if_needed(step)
        agreed = ("--yes",) if self._yes and any(words[: len(one)] == one for one in ASKING) else ()
        code = tools.run_attached([*self._argv(state), *words, *agreed], cwd=IMPORT_ROOT)
        if code != 0:
            click.echo(translate("setup.failed", code=code))
            return self._end_if_needed(step)
        if state.then_restart:
            click.echo(translate("setup.restart", again=f"{program()} setup"))
            click.get_current_context().exit(SOMETHING_LEFT)
        return True

    def _end_if_needed(self, step: Step) -> bool:
        """End the setup if later steps cannot work without this one; else return False."""
        if step.is_needed and not self._dry_run:
            click.echo("\n" + translate("setup.stopped", again=f"{program()} setup"))
            click.get_current_context().exit(SOMETHING_LEFT)
        return False

    def _needs_sudo(self, state: StepState) -> bool:
        return state.needs_root and os.geteuid() != 0 and self._sysfs == Path("/")

    def _caller(self, state: StepState) -> str:
        return sudo_program() if self._needs_sudo(state) else program()

    def _argv(self, state: StepState) -> Words:
        own = (sys.executable, "-m", "bpu")
        return ("sudo", *own) if self._needs_sudo(state) else own
