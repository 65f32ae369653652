"""`report`: writes one file about this board and its gateway for support.

It lists the contents first.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TextIO

import click

from bpu import __version__
from bpu.board import service, tools
from bpu.board.doctor import examine
from bpu.board.redact import log_lines, without_secrets
from bpu.cli import _keeper
from bpu.cli._endpoint import first_key
from bpu.cli._readiness import last_lines
from bpu.cli.config import describe_settings, source_words
from bpu.cli.doctor import finding_text, subject_of
from bpu.errors import BpuError, EngineUnavailable
from bpu.messages import os_reason, translate
from bpu.project import PROJECT
from bpu.settings import Settings, existing_state_dirs, read_settings

LOG_LINES = 400
LIBRARIES = ("flask", "gunicorn", "gevent", "pydantic", "tokenizers", "click")
#: Fields of the engine's status that hold no user text.
ENGINE = ("state", "profile", "simulated", "loads", "load_s", "waiting")


@click.command()
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help=translate("report.output")
)
@click.option(
    "--log", type=click.File(encoding="utf-8", errors="replace"), metavar="FILE", help=translate("report.log")
)
def command(output: Path | None, log: TextIO | None) -> None:
    settings, mistakes = read_settings()
    text_of_log = last_lines(lines=LOG_LINES) if log is None else log.read()
    parts: dict[str, Callable[[], Iterator[str]]] = {
        "versions": _versions,
        "doctor": lambda: _doctor(settings),
        "settings": lambda: _settings(settings, mistakes),
        "service": _service,
        "engine": lambda: _engine(settings),
        "log": lambda: log_lines(text_of_log.splitlines()),
    }
    contents = [
        translate("report.contents"),
        *(f"- {translate(f'report.part_{name}')}" for name in parts),
        translate("report.not_in_it"),
    ]
    click.echo("\n".join(contents))
    body = [f"\n== {translate(f'report.part_{name}')}\n" + "\n".join(_safe(write)) for name, write in parts.items()]
    text = without_secrets("\n".join([*contents, *body]) + "\n", _secrets(settings))
    path = output or Path(time.strftime("bpu-report-%Y%m%d-%H%M%S.txt"))
    _write(path, text)
    click.echo(translate("report.written", path=path.absolute(), size=f"{len(text) / 1000:.0f} kB"))


def _write(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise EngineUnavailable(translate("report.not_written", path=path, reason=os_reason(error))) from error


def _safe(write: Callable[[], Iterator[str]]) -> Iterator[str]:
    """Yield the lines of one part, or one line about its failure.

    The other parts are still useful.
    """
    try:
        yield from write()
    except Exception as error:
        yield translate("report.no_part", reason=type(error).__name__)


def _secrets(settings: Settings) -> list[str]:
    found = list(settings.api_keys)
    try:
        if settings.api_keys_file is not None:
            found += [first_key(settings), *settings.api_keys_file.read_text(encoding="utf-8").split()]
    except (BpuError, OSError, UnicodeError):
        pass
    return found


def _versions() -> Iterator[str]:
    yield f"rdk-bpu-gateway {__version__} in {PROJECT}"
    yield f"Python {platform.python_version()}, {platform.machine()}, Linux {platform.release()}"
    yield ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)


def _doctor(settings: Settings) -> Iterator[str]:
    for one in examine(subject_of(settings)):
        yield finding_text(one)


def _settings(settings: Settings, mistakes: list[str]) -> Iterator[str]:
    for row in describe_settings(settings):
        if row["source"] != "default":
            yield f"{row['name']}={row['value']} ({source_words(row['source'])})"
    yield from mistakes


def _service() -> Iterator[str]:
    if tools.find("systemctl") is None:
        yield translate("setup.without_systemd")
        return
    state = service.state(service.GATEWAY)
    if state.get("LoadState") != "loaded":
        yield translate("status.service", state=translate("status.no_service"))
        return
    yield from (f"{name}={value}" for name, value in state.items())


def _engine(settings: Settings) -> Iterator[str]:
    for folder in existing_state_dirs(settings):
        status = _keeper.status(folder)
        if status is not None:
            shown = {name: len(status[name]) if name == "waiting" else status.get(name) for name in ENGINE}
            yield f"{folder}: {json.dumps(shown)}"
