"""`serve`: checks the settings and becomes gunicorn, the same way as `make run`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

import click

from bpu import settings_file
from bpu.board import tools
from bpu.messages import translate
from bpu.project import PROJECT
from bpu.settings import FOLDERS, Settings, load_settings, variables

#: Options of `serve`: the field of `Settings` that each one sets.
FIELDS = (
    "bind",
    "workers",
    "engine",
    "runtime_dir",
    "console",
    "hbm_path",
    "tokenizer_dir",
    "template_path",
    "model_id",
    "context_size",
    "queue_limit",
    "api_keys",
    "log_format",
    "state_dir",
)


def _setting_options(function: Callable[..., None]) -> Callable[..., None]:
    for field in reversed(FIELDS):
        # Values are text, as in the environment, because the settings validate them all at once.
        option = click.option(f"--{field.replace('_', '-')}", field, metavar="VALUE", help=translate(f"serve.{field}"))
        function = option(function)
    return function


@click.command()
@_setting_options
@click.argument("gunicorn_arguments", nargs=-1, type=click.UNPROCESSED)
def command(gunicorn_arguments: tuple[str, ...], **values: str | None) -> None:
    chosen = {field: value for field, value in values.items() if value is not None}
    settings = load_settings(**chosen)
    # gunicorn's master reads the settings file itself, also at each reload.
    settings_file.release()
    tools.replace(gunicorn(gunicorn_arguments), env=environment(settings, chosen), cwd=PROJECT)


def gunicorn(arguments: tuple[str, ...]) -> list[str]:
    """Return the command that serves the gateway, to be run in the project's folder."""
    return [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", *arguments, "wsgi:app"]


def environment(settings: Settings, chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the chosen settings as variables.

    Folders are absolute, because gunicorn runs in the project's folder.
    """
    named = {field for field in FOLDERS & settings.explicit if field in chosen or os.environ.get(variables()[field])}
    folders = {field: str(getattr(settings, field)) for field in named}
    return {f"BPU_{field.upper()}": value for field, value in {**chosen, **folders}.items()}
