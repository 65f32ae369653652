"""`update`: says how to update this installation, and with `--check` whether a newer version exists."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

import click
from packaging.version import InvalidVersion, Version

from bpu import __version__
from bpu.board.service import PACKAGED_HOME
from bpu.errors import EngineUnavailable, SettingsError
from bpu.messages import os_reason, translate
from bpu.project import INSTALLED, PROJECT
from bpu.settings import load_settings

TIMEOUT_S = 10.0
MOST_BYTES = 1 << 20


@click.command()
@click.option("--check", is_flag=True, help=translate("update.check"))
def command(check: bool) -> None:
    if check:
        newest = newest_version(load_settings().update_url)
        if Version(__version__) >= newest:
            click.echo(translate("update.is_newest", version=__version__))
            return
        click.echo(translate("update.newer", version=newest, current=__version__))
    click.echo(translate(f"update.by_{installed_by()}", project=PROJECT))


def installed_by() -> str:
    """Return `deb`, `package` (pip, pipx, uv) or `clone`."""
    if Path(sys.prefix).is_relative_to(PACKAGED_HOME):
        return "deb"
    return "package" if INSTALLED else "clone"


def newest_version(url: str) -> Version:
    """Read the version at `url`: `version` or `tag_name` of a JSON object. Raises `BpuError`."""
    if not url:
        raise SettingsError(translate("update.no_url"))
    try:
        # The setting takes http and https only.
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            found = json.loads(answer.read(MOST_BYTES))
        return Version(str(found.get("version") or found["tag_name"]))
    except OSError as error:
        # urllib wraps the system's error; an HTTP error is one of its own.
        cause = getattr(error, "reason", error)
        reason = os_reason(cause) if isinstance(cause, Exception) else str(error)
        raise EngineUnavailable(translate("update.unreachable", reason=reason)) from error
    except (ValueError, KeyError, AttributeError, InvalidVersion) as error:
        raise EngineUnavailable(translate("update.unreadable", reason=type(error).__name__)) from error
