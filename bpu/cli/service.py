"""`service`: installs and removes the systemd service, and shows its status."""

from __future__ import annotations

import os
import pwd
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from bpu import settings_file
from bpu.access_policy import serves_networks
from bpu.board import service, tools
from bpu.board.addresses import address_lines, local_addresses, reachable
from bpu.cli._endpoint import first_key
from bpu.cli._group import Group
from bpu.cli._readiness import last_lines, wait_until_ready
from bpu.cli.config import HIDDEN
from bpu.discovery.announcement import avahi_file
from bpu.engine.client.launch_config import choose_files, resolve_engine, served_names
from bpu.errors import EngineUnavailable, SettingsError
from bpu.messages import sudo_program, translate
from bpu.project import PROJECT
from bpu.settings import FOLDERS, Settings, load_settings, read_settings, variables

#: Exit codes of `service status`, as those of `systemctl status`.
NOT_RUNNING, NOT_INSTALLED = 3, 4

_dry_run = click.option("--dry-run", is_flag=True, help=translate("service.dry_run"))
_root = click.option(
    "--root", type=click.Path(path_type=Path, file_okay=False), default=Path("/"), metavar="FOLDER",
    help=translate("service.root"),
)  # fmt: skip


@click.group(cls=Group)
def command() -> None:
    """The group; its text is in the catalogue."""


@command.command(help=translate("service.install"))
@click.option("--user", metavar="NAME", default="root", show_default=True, help=translate("service.user"))
@click.option("--performance", is_flag=True, help=translate("service.performance"))
@click.option("--no-start", is_flag=True, help=translate("service.no_start"))
@click.option("--yes", is_flag=True, help=translate("service.yes"))
@_dry_run
@_root
def install(user: str, performance: bool, no_start: bool, yes: bool, dry_run: bool, root: Path) -> None:
    _check_user(user)
    is_here = root.absolute() == Path("/")
    if is_here and not dry_run:
        _check_permission()
    sources = _adopt_callers_file(yes=yes)
    settings = load_settings()
    values = _values(settings, sources)
    if is_here:
        # Refuse settings that cannot start now; the files of an image are not on this machine.
        choose_files(settings)
        first_key(settings)
    machine = service.Machine(
        project=service.PACKAGED_HOME if _is_packaged() else PROJECT,
        # Not resolved, because Python finds the virtual environment by this link.
        python=Path(sys.executable),
        user=user,
        runtime_dir=settings.runtime_dir,
        graceful_s=settings.graceful_s,
    )
    avahi = service.below(root.absolute(), service.AVAHI_FILE.parent).is_dir()
    served = resolve_engine(settings)
    announced = avahi_file(served, served_names(served)) if avahi else None
    start = not no_start
    steps = service.installation(
        machine, values, performance=performance, start=start, announced=announced, root=root.absolute()
    )
    _run_steps(steps, dry_run=dry_run)
    if dry_run:
        return
    click.echo(translate("service.installed", file=service.below(root.absolute(), service.ENV_FILE)))
    if is_here and start:
        _wait_until_ready(settings)


def _is_packaged() -> bool:
    return Path(sys.prefix).is_relative_to(service.PACKAGED_HOME)


def _adopt_callers_file(*, yes: bool) -> dict[str, str]:
    """Under sudo: adopt the caller's settings that the system file lacks, after a yes.

    Return variables with source.
    """
    if (other := settings_file.sudo_user_file()) is None:
        return {}
    path, user = other
    try:
        values = settings_file.read_as(path, user)
    except SettingsError as error:
        if not os.path.lexists(settings_file.SYSTEM_FILE):
            raise
        click.echo(error.message, err=True)  # the service has its settings
        return {}
    found = {name: value for name, value in values.items() if not os.environ.get(name) and not _is_default(name, value)}
    if os.environ.get("BPU_API_KEYS_FILE"):
        found.pop(settings_file.SECRET, None)  # An earlier installation has copied them into that file.
    if not found:
        return {}
    click.echo(translate("service.callers_file", path=path))
    for name, value in found.items():
        click.echo(f"  {name}={HIDDEN if name == settings_file.SECRET else value}")
    if not (yes or click.confirm(translate("service.copy"), default=True)):
        return {}
    os.environ.update(found)
    return dict.fromkeys(found, str(path))


def _is_default(name: str, value: str) -> bool:
    """Whether a variable's value changes nothing: it is empty, or its setting's default."""
    field = next((field for field, variable in variables().items() if variable == name), None)
    if not value or field is None:
        return not value
    default = Settings.model_fields[field].default
    settings, mistakes = read_settings(**{field: value})
    return not mistakes and bool(getattr(settings, field) == default)


def _values(settings: Settings, sources: Mapping[str, str]) -> service.Values:
    """Return the values for the settings file that differ from the defaults.

    Print new ones with their source.
    """
    found: dict[str, str] = {}
    for field, name in variables().items():
        value = getattr(settings, field)
        source = sources.get(name) or str(settings_file.source(name))
        # The state folder of a terminal is not one for a service.
        if field not in settings.explicit or (field == "state_dir" and source == "environment"):
            continue
        if value == Settings.model_fields[field].default:
            continue
        found[name] = str(value) if isinstance(value, Path) and field in FOLDERS else os.environ[name]
        if source != str(settings_file.SYSTEM_FILE):
            shown = HIDDEN if name == settings_file.SECRET else found[name]
            where = translate("config.from_environment") if source == "environment" else source
            click.echo(translate("service.taken", name=name, value=shown, source=where))
    found.pop(settings_file.SECRET, None)
    # The SDK's variables are passed to the console, though they are no settings of the gateway.
    found |= {name: os.environ[name] for name in sources if name.startswith("HB_")}
    return service.Values(found, settings.api_keys)


def _wait_until_ready(settings: Settings) -> None:
    reason = wait_until_ready(settings)
    if reason is None:
        click.echo(translate("service.serves"))
        urls = reachable(settings.bind, local_addresses(), socket.gethostname())
        for line in address_lines(urls, serves_networks(settings)):
            click.echo(line)
        return
    click.echo(last_lines(), nl=False, err=True)
    raise EngineUnavailable(translate("service.not_serving", reason=reason))


@command.command(help=translate("service.remove"))
@click.option("--purge", is_flag=True, help=translate("service.purge"))
@_dry_run
@_root
def remove(purge: bool, dry_run: bool, root: Path) -> None:
    steps = service.removal(purge=purge, root=root.absolute())
    if not steps:
        click.echo(translate("service.nothing"))
        return
    if root.absolute() == Path("/") and not dry_run:
        _check_permission()
    _run_steps(steps, dry_run=dry_run)
    if not dry_run:
        click.echo(translate("service.removed"))


@command.command(help=translate("service.status"))
def status() -> None:
    found = service.state(service.GATEWAY)
    if found.get("LoadState") != "loaded":
        click.echo(translate("service.absent"))
        click.get_current_context().exit(NOT_INSTALLED)
    active = found.get("ActiveState", "")
    enabled = translate("service.enabled" if found.get("UnitFileState") == "enabled" else "service.disabled")
    click.echo(
        translate(
            "service.state", state=f"{active} ({found.get('SubState', '')})", pid=found.get("MainPID"), boot=enabled
        )
    )
    click.echo(translate("service.logs"))
    if active != "active":
        click.get_current_context().exit(NOT_RUNNING)


def _check_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        raise click.BadParameter(translate("service.no_user", name=name), param_hint="--user") from None


def _run_steps(steps: list[service.Step], *, dry_run: bool) -> None:
    if dry_run:
        click.echo(translate("service.would"))
        for step in steps:
            click.echo(f"  {step.description}")
            if step.text is not None and not step.is_unchanged:
                # Keys are never shown.
                lines = [HIDDEN] if step.mode == 0o600 else step.text.splitlines()
                click.echo("".join(f"    | {line}\n" for line in lines), nl=False)
        return
    service.run_steps(steps, announce=click.echo)


def _check_permission() -> None:
    if tools.find("systemctl") is None:
        raise tools.ToolMissing("systemctl")
    if os.geteuid() != 0:
        raise EngineUnavailable(translate("service.needs_root", command=f"{sudo_program()} service ..."))
