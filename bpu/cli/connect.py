"""`connect`: ready settings for the programs that talk to the gateway, with this board's address, key and model."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable

import click

from bpu.cli import _clients
from bpu.cli._group import Group
from bpu.cli._remote import base_url
from bpu.cli._terminal import is_terminal
from bpu.cli._where import Door, door
from bpu.messages import say
from bpu.settings import load_settings


@click.group(cls=Group)
def command() -> None:
    """The group; its text is in the catalogue."""


def _client(name: str, write: Callable[[Door], str]) -> None:
    @click.option("--url", metavar="URL", help=say("connect.url"))
    @click.option("--key", metavar="KEY", help=say("connect.key"))
    @click.option("--model", metavar="MODEL", help=say("connect.model"))
    def client(url: str | None, key: str | None, model: str | None) -> None:
        click.echo(write(_door(url, key, model)))

    command.command(name, help=say(f"connect.{name}"))(client)


def _door(url: str | None, key: str | None, model: str | None) -> Door:
    settings = load_settings(**({} if url is None else {"bind": "127.0.0.1:8000"}))
    here = door(settings)
    base = here.base if url is None else f"{base_url(url)}/v1"
    return dataclasses.replace(here, base=base, key=key or here.key, model=model or here.model)


def _chatbox(here: Door) -> str:
    link = _clients.chatbox_link(here)
    text = say("connect.chatbox_text", link=link, host=here.base, key=here.key, model=here.model)
    if here.is_local:
        # Whoever scans it would ask their own telephone.
        return f"{text}\n{say('connect.local_only')}"
    return f"{text}\n{_clients.qr(link)}" if is_terminal(sys.stdout) else text


for _name, _write in {
    "chatbox": _chatbox,
    "openclaw": _clients.openclaw,
    "openwebui": _clients.openwebui,
    "llm": _clients.llm,
    "curl": _clients.curl,
}.items():
    _client(_name, _write)
