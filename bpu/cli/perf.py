"""`perf`: switches performance mode on and off, and shows its status."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bpu.board.errors import BoardError
from bpu.board.performance import Clock, clocks, performance, script
from bpu.cli._group import Group
from bpu.messages import sudo_program, translate
from bpu.models.table import default_model
from bpu.settings import load_settings


def _sysfs(function: Callable[..., Any]) -> Callable[..., Any]:
    kind = click.Path(path_type=Path, file_okay=False)
    return click.option("--sysfs", type=kind, default=Path("/"), metavar="FOLDER", help=translate("perf.sysfs"))(
        function
    )


@click.group(cls=Group)
def command() -> None:
    """The group; its text is in the catalogue."""


@command.command(help=translate("perf.on"))
@_sysfs
def on(sysfs: Path) -> None:
    _check_permission(sysfs, "on")
    for line in performance(load_settings(), sysfs).on():
        click.echo(line)
    click.echo(translate("perf.lost_at_reboot"))


@command.command(help=translate("perf.off"))
@_sysfs
def off(sysfs: Path) -> None:
    _check_permission(sysfs, "off")
    for line in performance(load_settings(), sysfs).off():
        click.echo(line)
    click.echo(translate("perf.put_back"))


@command.command(help=translate("perf.status"))
@_sysfs
def status(sysfs: Path) -> None:
    settings = load_settings()
    found = clocks(sysfs)
    for clock in found:
        click.echo(translate("perf.row", name=clock.name, governor=clock.governor, speed=_speed(clock)))
    if not found:
        click.echo(translate("perf.no_clocks"))
    if (path := script(default_model(settings).runtime_dir)) is not None:
        click.echo(translate("perf.script_there", path=path))
    if performance(settings, sysfs).saved_state() is not None:
        click.echo(translate("perf.by_us"))


def _speed(clock: Clock) -> str:
    # The kernel's cpufreq counts in kHz, its devfreq in Hz.
    unit = 1000 if clock.path.name.startswith("scaling_") else 1_000_000
    if not clock.highest:
        return ""
    return translate("perf.speed", current=f"{clock.current / unit:.0f} MHz", highest=f"{clock.highest / unit:.0f} MHz")


def _check_permission(sysfs: Path, word: str) -> None:
    if sysfs == Path("/") and os.geteuid() != 0:
        raise BoardError("perf.needs_root", command=f"{sudo_program()} perf {word}")
