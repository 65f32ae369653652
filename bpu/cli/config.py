"""`config`: shows every setting with its source, changes the settings file, names it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from bpu import settings_file
from bpu.cli._columns import pad_right
from bpu.cli._group import Group
from bpu.errors import BadRequest, SettingsError
from bpu.messages import translate
from bpu.settings import FOLDERS, Settings, read_settings, variables

HIDDEN = "***"


@click.group(cls=Group)
def command() -> None:
    """The group; its text is in the catalogue."""


@command.command(help=translate("config.show"))
@click.option("--json", "as_json", is_flag=True, help=translate("config.json"))
def show(as_json: bool) -> None:
    settings, mistakes = read_settings()
    mistakes = [*_mistakes_of_file(), *mistakes]
    rows = describe_settings(settings)
    if as_json:
        click.echo(json.dumps({"settings": rows, "mistakes": mistakes}, ensure_ascii=False, indent=2))
    else:
        width = max(len(row["name"]) for row in rows)
        for row in rows:
            value = pad_right(row["value"], 40)
            click.echo(f"{row['name']:<{width}}  {value}  {source_words(row['source'])}")
        for mistake in mistakes:
            click.echo(mistake, err=True)
    if mistakes:
        click.get_current_context().exit(SettingsError.exit_code)


def _mistakes_of_file() -> list[str]:
    """Say that a named settings file is missing, which every command but this group refuses."""
    try:
        settings_file.find()
    except SettingsError as error:
        return [error.message]
    return []


def describe_settings(settings: Settings) -> list[dict[str, str]]:
    """List name, value and source of each setting, in the order of the fields.

    Keys are hidden.
    """
    rows = []
    for field, name in variables().items():
        # The text as written, so that an invalid value is shown too.
        written = os.environ.get(name) or as_text(getattr(settings, field))
        value = HIDDEN if name == settings_file.SECRET and written else written
        rows.append({"name": name, "value": value, "source": str(settings_file.source(name))})
    return rows


def as_text(value: object) -> str:
    """Format a value for the settings file."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def source_words(source: str) -> str:
    return translate(f"config.from_{source}") if source in ("default", "environment") else source


@command.command("set", help=translate("config.set"))
@click.argument("assignments", nargs=-1, required=True, metavar="NAME=VALUE...")
def set_command(assignments: tuple[str, ...]) -> None:
    changes = dict(map(_assignment, assignments))
    _check(changes)
    path = settings_file.target_file()
    settings_file.write(path, changes)
    click.echo(translate("config.written", path=path))
    overridden = [name for name in changes if settings_file.source(name) == "environment"]
    if overridden:
        click.echo(translate("config.overridden", names=", ".join(overridden)), err=True)
    if path == settings_file.SYSTEM_FILE:
        click.echo(translate("config.restart"))


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    fields = {variable: field for field, variable in variables().items()}
    if not equals or name not in fields:
        raise click.UsageError(translate("config.no_setting", text=text))
    if name == settings_file.SECRET:
        raise BadRequest(translate("config.no_keys"), param=name)
    # Absolute, because the server runs in another folder than this command.
    return name, str(Path(value).expanduser().absolute()) if value and fields[name] in FOLDERS else value


def _check(changes: dict[str, str]) -> None:
    """Refuse invalid values; mistakes that existed before are ignored."""
    before = set(read_settings()[1])
    kept = dict(os.environ)
    try:
        os.environ.update(changes)
        mistakes = [mistake for mistake in read_settings()[1] if mistake not in before]
    finally:
        os.environ.clear()
        os.environ.update(kept)
    if mistakes:
        raise SettingsError("\n  ".join([translate("config.not_written"), *mistakes]))


@command.command(help=translate("config.path"))
def path() -> None:
    found = settings_file.target_file()
    click.echo(found)
    if not found.exists():
        click.echo(translate("config.not_there"), err=True)
