"""`service`: installs the gateway as a systemd service, takes it away, says how it is."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import click

from bpu.board import service, tools
from bpu.cli._group import Group
from bpu.errors import EngineUnavailable
from bpu.messages import say, sudo_program
from bpu.project import PROJECT
from bpu.settings import load_settings

#: Exit codes of `service status`, as those of `systemctl status`.
NOT_RUNNING, NOT_INSTALLED = 3, 4

_dry_run = click.option("--dry-run", is_flag=True, help=say("service.dry_run"))
_root = click.option(
    "--root", type=click.Path(path_type=Path, file_okay=False), default=Path("/"), metavar="FOLDER",
    help=say("service.root"),
)  # fmt: skip


@click.group(cls=Group)
def command() -> None:
    """The group; its text is in the catalogue."""


@command.command(help=say("service.install"))
@click.option("--user", metavar="NAME", default="root", show_default=True, help=say("service.user"))
@click.option("--performance", is_flag=True, help=say("service.performance"))
@click.option("--no-start", is_flag=True, help=say("service.no_start"))
@_dry_run
@_root
def install(user: str, performance: bool, no_start: bool, dry_run: bool, root: Path) -> None:
    _check_user(user)
    settings = load_settings()
    machine = service.Machine(
        project=PROJECT,
        # Not resolved: the link in the virtual environment is what makes it one.
        python=Path(sys.executable),
        user=user,
        runtime_dir=settings.runtime_dir,
        graceful_s=settings.graceful_s,
    )
    steps = service.installation(machine, performance=performance, start=not no_start, root=root.absolute())
    _carry_out(steps, dry_run=dry_run, root=root)
    if not dry_run:
        click.echo(say("service.installed", file=service.below(root.absolute(), service.ENV_FILE)))


@command.command(help=say("service.remove"))
@click.option("--purge", is_flag=True, help=say("service.purge"))
@_dry_run
@_root
def remove(purge: bool, dry_run: bool, root: Path) -> None:
    steps = service.removal(purge=purge, root=root.absolute())
    if not steps:
        click.echo(say("service.nothing"))
        return
    _carry_out(steps, dry_run=dry_run, root=root)
    if not dry_run:
        click.echo(say("service.removed"))


@command.command(help=say("service.status"))
def status() -> None:
    found = service.state(service.GATEWAY)
    if found.get("LoadState") != "loaded":
        click.echo(say("service.absent"))
        click.get_current_context().exit(NOT_INSTALLED)
    active = found.get("ActiveState", "")
    enabled = say("service.enabled" if found.get("UnitFileState") == "enabled" else "service.disabled")
    click.echo(
        say("service.state", state=f"{active} ({found.get('SubState', '')})", pid=found.get("MainPID"), boot=enabled)
    )
    click.echo(say("service.logs"))
    if active != "active":
        click.get_current_context().exit(NOT_RUNNING)


def _check_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        raise click.BadParameter(say("service.no_user", name=name), param_hint="--user") from None


def _carry_out(steps: list[service.Step], *, dry_run: bool, root: Path) -> None:
    if dry_run:
        click.echo(say("service.would"))
        for step in steps:
            click.echo(f"  {step.words}")
            if step.text is not None and not step.kept:
                click.echo("".join(f"    | {line}\n" for line in step.text.splitlines()), nl=False)
        return
    if root.absolute() == Path("/"):
        if tools.find("systemctl") is None:
            raise tools.ToolMissing("systemctl")
        if os.geteuid() != 0:
            raise EngineUnavailable(say("service.needs_root", command=f"{sudo_program()} service ..."))
    service.do(steps, told=click.echo)
