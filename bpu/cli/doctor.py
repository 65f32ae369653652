"""`doctor`: shows the findings about the board or a saved log."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

import click

from bpu import __version__
from bpu.access_policy import serves_networks
from bpu.board import tools
from bpu.board.checks.finding import Finding, Level, exit_code
from bpu.board.checks.logs import check_log
from bpu.board.checks.subject import Subject
from bpu.board.doctor import examine
from bpu.cli._columns import pad_right, wrap
from bpu.cli._record import forget_findings, record_findings
from bpu.cli._terminal import is_terminal
from bpu.engine.client.launch_config import chosen_model, context_size, resolve_engine
from bpu.errors import BpuError
from bpu.messages import has, translate
from bpu.models.spec import ModelSpec, as_settings
from bpu.models.table import load_table
from bpu.settings import Settings, load_settings

MARKS = {
    Level.NOTE: ("-", None),
    Level.FINE: ("+", "green"),
    Level.WARNING: ("!", "yellow"),
    Level.BROKEN: ("x", "red"),
}
NAME_CELLS = 14
#: Under systemd the gateway may run as another user than this command.
SERVICE = "bpu-gateway"


@click.command()
@click.option("--json", "as_json", is_flag=True, help=translate("doctor.json"))
@click.option("--probe", is_flag=True, help=translate("doctor.probe"))
@click.option("--forget", is_flag=True, help=translate("doctor.forget"))
@click.option(
    "--log", type=click.File(encoding="utf-8", errors="replace"), metavar="FILE", help=translate("doctor.log")
)
@click.option(
    "--sysfs", type=click.Path(path_type=Path, file_okay=False), default=Path("/"), metavar="FOLDER",
    help=translate("doctor.sysfs"),
)  # fmt: skip
def command(as_json: bool, probe: bool, forget: bool, log: TextIO | None, sysfs: Path) -> None:
    found: list[Finding] = []
    if log is not None:
        found += _print_findings(check_log(log.read()), as_json=as_json)
    elif forget:
        found += _print_findings(forget_findings(load_settings()), as_json=as_json)
    else:
        settings = load_settings()
        found += _print_findings(examine(subject_of(settings, sysfs)), as_json=as_json)
        if sysfs == Path("/"):
            found += _print_findings(record_findings(settings), as_json=as_json)
        if probe:
            from bpu.cli._probe import probe_findings  # imports the engine, which the other checks do not need

            found += _print_findings(probe_findings(settings, quiet=as_json), as_json=as_json)
    code = exit_code(found)
    if as_json:
        report = {"version": __version__, "exit_code": code, "findings": [one.to_dict() for one in found]}
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
    elif log is None and not forget:
        click.echo("\n" + _summary(code, found))
    click.get_current_context().exit(code)


def subject_of(settings: Settings, root: Path = Path("/"), model: ModelSpec | None = None) -> Subject:
    """Return the subject of the checks for these settings and this machine.

    `model` is the default one if None.
    """
    models: tuple[ModelSpec, ...] = (model,) if model else ()
    if model is None:
        settings = resolve_engine(settings, root=root)
        model = chosen_model(settings)
        models = (model, *(one for one in load_table(settings).models if one.id != model.id))
    return Subject(
        settings=as_settings(model, settings),
        context=context_size(settings, model),
        model_type=model.model_type,
        profile=model.profile,
        models=models,
        user=_service_user(root),
        root=root,
        serves=serves_networks(settings),
        is_gateway=lambda port: root == Path("/") and _is_gateway(port),
        hostname=socket.gethostname(),
    )


def _is_gateway(port: int) -> bool:
    """Whether a gateway, also one of another user, answers at this port."""
    from bpu.discovery.scan import ask  # imports the library for mDNS, which the other checks do not need

    _status, health = ask("127.0.0.1", port, "/health")
    return isinstance(health.get("engine"), dict)


def _service_user(root: Path) -> str:
    """Return the user of the installed service, else the user of this command."""
    if root == Path("/") and tools.find("systemctl") is not None:
        try:
            printed = tools.run(["systemctl", "show", "-p", "LoadState,User", SERVICE], timeout=10).out
        except BpuError:
            printed = ""
        facts = dict(line.partition("=")[::2] for line in printed.splitlines())
        if facts.get("LoadState") == "loaded":
            return facts.get("User") or "root"
    return "root" if os.geteuid() == 0 else getpass.getuser()


def show_findings(found: Iterable[Finding]) -> None:
    """Print each finding for a person."""
    _print_findings(found, as_json=False)


def _print_findings(found: Iterable[Finding], *, as_json: bool) -> list[Finding]:
    """Print each finding at once, because some checks take long; return them all."""
    printed = []
    for one in found:
        printed.append(one)
        if not as_json:
            show_finding(one)
    return printed


def show_finding(one: Finding) -> None:
    mark, colour = MARKS[one.level]
    head = f"{click.style(mark, fg=colour)} {pad_right(_check_name(one), NAME_CELLS)} "
    indent = " " * (NAME_CELLS + 3)
    for number, line in enumerate(_fit_lines(one.said, len(indent)) or [""]):
        click.echo((indent if number else head) + line)
    for line in one.remedy.splitlines():
        click.echo(f"{indent}> {line}")


def finding_text(one: Finding) -> str:
    """Return the lines of a finding for a file, without colours and remedies."""
    return f"{MARKS[one.level][0]} {_check_name(one)}: {one.said}"


def _check_name(one: Finding) -> str:
    return translate(f"doctor.check_{one.check}") if has(f"doctor.check_{one.check}") else one.check


def _fit_lines(text: str, indent: int) -> list[str]:
    """Wrap `text` to the terminal's width; in a pipe its lines stay whole."""
    lines = text.splitlines()
    if not is_terminal(sys.stdout):
        return lines
    width = max(40, shutil.get_terminal_size().columns - indent)
    return [part for line in lines for part in wrap(line, width)]


def _summary(code: int, found: Sequence[Finding]) -> str:
    count = {level: sum(one.level is level for one in found) for level in Level}
    colour = {0: "green", 1: "yellow", 2: "red"}[code]
    words = translate(f"doctor.sum_{code}", warnings=count[Level.WARNING], broken=count[Level.BROKEN])
    return click.style(words, fg=colour)
