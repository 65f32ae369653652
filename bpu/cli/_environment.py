"""The settings of the service, so that commands in a terminal mean the same board as the gateway does."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import click

from bpu.errors import SettingsError
from bpu.messages import say

SERVICE_ENV = Path("/etc/bpu/bpu.env")


def adopt(path: Path, *, asked: bool, environ: MutableMapping[str, str] = os.environ) -> None:
    """Take the `BPU_` variables of `path` that are not set yet. Raises `SettingsError` for a line that is none.

    A file that nobody asked for may be missing; if it may not be read, that is said, because it can hold API keys.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeError) as error:
        words = say("cli.env_unreadable", path=path, reason=getattr(error, "strerror", None) or error)
        if asked:
            raise SettingsError(words) from error
        click.echo(words, err=True)
        return
    for name, value in variables(text, path):
        if name.startswith("BPU_"):
            environ.setdefault(name, value)


def variables(text: str, path: Path) -> Iterator[tuple[str, str]]:
    """NAME and value of each line, read as systemd reads an `EnvironmentFile=`: quotation marks, `#` and `;` lines."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words[0] in "#;":
            continue
        name, equals, value = words.partition("=")
        try:
            plain = " ".join(shlex.split(value))
        except ValueError:
            equals = ""
        if not equals or not name.strip().isidentifier():
            raise SettingsError(say("cli.env_line", path=path, number=number))
        yield name.strip(), plain
