"""`connect`: prints settings for client programs with this board's address, key and model."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from bpu.cli import _clients, _openclaw
from bpu.cli._endpoint import Endpoint, find_endpoint
from bpu.cli._group import Group
from bpu.cli._readiness import ask_ready
from bpu.cli._remote import base_url
from bpu.cli._terminal import is_terminal
from bpu.engine.client.launch_config import chosen_table, resolve_engine
from bpu.messages import say
from bpu.settings import load_settings


@click.group(cls=Group)
def command() -> None:
    """The group; its text is in the catalogue."""


def _endpoint_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options `--url`, `--key` and `--model` to a command."""
    model = click.option("--model", metavar="MODEL", help=say("connect.model"))
    key = click.option("--key", metavar="KEY", help=say("connect.key"))
    return click.option("--url", metavar="URL", help=say("connect.url"))(key(model(function)))


def _client(name: str, write: Callable[[Endpoint], str]) -> None:
    @_endpoint_options
    def client(url: str | None, key: str | None, model: str | None) -> None:
        endpoint = _chosen_endpoint(url, key, model)
        click.echo(write(endpoint))
        if url is None:
            _warn(endpoint)

    command.command(name, help=say(f"connect.{name}"))(client)


@command.command("openclaw", help=say("connect.openclaw"))
@_endpoint_options
@click.option("--tools", is_flag=True, help=say("connect.tools"))
@click.option("--api", type=click.Choice(sorted(_openclaw.APIS)), default="chat", help=say("connect.api"))
@click.option("--write", is_flag=True, help=say("connect.write"))
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help=say("connect.config"))
@click.option("--dry-run", is_flag=True, help=say("connect.dry_run"))
def _openclaw_command(
    url: str | None,
    key: str | None,
    model: str | None,
    tools: bool,
    api: str,
    write: bool,
    config: Path | None,
    dry_run: bool,
) -> None:
    endpoint = _chosen_endpoint(url, key, model)
    if not (write or dry_run):
        click.echo(json.dumps(_openclaw.patch(endpoint, {}, tools=tools, api=api), indent=2))
        return
    path = config or _openclaw.config_path()
    before = _openclaw.read(path)
    after = _openclaw.merge(before, _openclaw.patch(endpoint, before, tools=tools, api=api))
    if after == before:
        click.echo(say("connect.unchanged", path=path))
        return
    click.echo(_openclaw.difference(before, after, path))
    if not dry_run:
        backup = _openclaw.write(path, after)
        click.echo(say("connect.written", path=path))
        if backup is not None:
            click.echo(say("connect.backup", path=backup))


def _chosen_endpoint(url: str | None, key: str | None, model: str | None) -> Endpoint:
    settings = load_settings(**({} if url is None else {"bind": "127.0.0.1:8000"}))
    endpoint = find_endpoint(settings)
    base = endpoint.base if url is None else f"{base_url(url)}/v1"
    if model is not None:
        found = chosen_table(resolve_engine(settings)).find(model)
        endpoint = endpoint.with_model(model if found is None else found.id)
    return dataclasses.replace(endpoint, base=base, key=key or endpoint.key)


def _warn(endpoint: Endpoint) -> None:
    """Say on standard error why the printed address would not work now."""
    settings = load_settings()
    if endpoint.needs_key:
        click.echo(say("connect.needs_key"), err=True)
    if not ask_ready(settings).state:
        click.echo(say("connect.not_running", bind=settings.bind), err=True)


def _chatbox(endpoint: Endpoint) -> str:
    link = _clients.chatbox_link(endpoint)
    # A telephone that scans a local address would connect to itself.
    has_code = is_terminal(sys.stdout) and not endpoint.is_local
    open_it = say("connect.chatbox_scan" if has_code else "connect.chatbox_open")
    fields = say("connect.chatbox_fields", host=endpoint.base, key=endpoint.key, model=endpoint.model)
    text = f"{open_it}\n{link}\n\n{fields}"
    if endpoint.is_local:
        return f"{text}\n{say('connect.local_only')}"
    return f"{text}\n{_clients.qr(link)}" if has_code else text


_PRINTED: dict[str, Callable[[Endpoint], str]] = {
    "chatbox": _chatbox,
    "openwebui": _clients.openwebui,
    "rdkstudio": _clients.rdkstudio,
    "litellm": _clients.litellm,
    "aider": _clients.aider,
    "xiaozhi": _clients.xiaozhi,
    "ollama": _clients.ollama,
    "claude": _clients.claude,
    "codex": _clients.codex,
    "llm": _clients.llm,
    "curl": _clients.curl,
    **{name: partial(_clients.form, name) for name in ("homeassistant", "cherry", "n8n", "dify")},
}
for _name, _write in _PRINTED.items():
    _client(_name, _write)
