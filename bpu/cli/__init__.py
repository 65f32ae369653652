"""`bpu`: click commands, one module for each command or group of commands.

Each name in `COMMANDS` is a module `bpu/cli/NAME.py` that defines `command`. Its texts are in `bpu/messages/NAME.py`:
`help` is the line in the list, `about` the text of its own `--help`. A command's module is imported only when it is
used, so that `--help` stays quick. Modules whose names begin with an underscore are helpers of commands.
"""

from __future__ import annotations

import difflib
import gettext
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from bpu import __version__
from bpu.errors import BpuError
from bpu.messages import LOCALE, has, language, translate

if language() == "zh":
    # click's own words go through gettext's catalogue of this name.
    gettext.bindtextdomain("messages", str(LOCALE))

COMMANDS = (
    "bench",
    "chat",
    "config",
    "connect",
    "doctor",
    "examine",
    "ion",
    "load",
    "logs",
    "mcp",
    "models",
    "perf",
    "pull",
    "reclaim",
    "report",
    "scan",
    "serve",
    "service",
    "setup",
    "simulator",
    "status",
    "unload",
    "update",
)


class Commands(click.Group):
    """The commands in `COMMANDS`, imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands without loading them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command, with its help in the terminal's language; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"{__name__}.{cmd_name}").command
        if has(f"{cmd_name}.about"):
            command.help = translate(f"{cmd_name}.about")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of `args`. Raises `UsageError` that suggests the nearest name."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise click.UsageError(_unknown_command(args[0]), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the messages, without loading them."""
        rows = [(name, _summary(name)) for name in self.list_commands(ctx)]
        with formatter.section(gettext.gettext("Commands")):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours becomes a sentence and an exit code."""
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        try:
            return super().invoke(ctx)
        except BpuError as error:
            from bpu.cli._errors import localized_message  # helpers are loaded with the commands that use them

            click.echo(translate("cli.error", message=localized_message(error)), err=True)
            ctx.exit(error.exit_code)


def _unknown_command(name: str) -> str:
    guesses = difflib.get_close_matches(name, COMMANDS, n=1)
    return (
        translate("cli.did_you_mean", name=name, guess=guesses[0])
        if guesses
        else translate("cli.unknown_command", name=name)
    )


def _summary(name: str) -> str:
    key = f"{name}.help"
    return translate(key) if has(key) else ""


@click.group(
    cls=Commands,
    help=translate("cli.about"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(
    __version__, message=translate("cli.version", version=__version__), help=translate("cli.version_help")
)
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=translate("cli.env_file"),
)
@click.pass_context
def main(context: click.Context, env_file: Path | None) -> None:
    """The group; its text is in the catalogue."""
    from bpu import settings_file  # imported here, so that `--help` stays quick

    if env_file is not None:
        os.environ[settings_file.VARIABLE] = str(env_file.absolute())
    for notice in settings_file.adopt(may_be_missing=context.invoked_subcommand == "config").notices:
        click.echo(notice, err=True)
