"""`connect`: prints settings for client programs with this board's address, key and model."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import click
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from bpu.chat.model_card import ModelCard
from bpu.cli import _clients, _openclaw
from bpu.cli._endpoint import ANY_KEY, Endpoint, find_endpoint
from bpu.cli._group import Group
from bpu.cli._readiness import ask_ready
from bpu.cli._remote import RemoteGateway, is_twin
from bpu.cli._terminal import is_terminal
from bpu.engine.client.launch_config import chosen_table, resolve_engine
from bpu.errors import BpuError
from bpu.messages import translate
from bpu.settings import load_settings

#: How long a gateway at `--url` may take to name its models.
MODELS_LIMIT_S = 3.0


class _ListedModel(BaseModel):
    """What is read of an entry of `/v1/models`, of whatever answers at `--url`.

    `context` is in tokens.
    """

    model_config = ConfigDict(strict=True)

    id: str = Field(min_length=1, max_length=200)
    context_length: int | None = Field(default=None, gt=0, lt=2**31)
    capabilities: list[str] | None = None


#: A gateway has one model at least.
_MODELS = TypeAdapter(Annotated[list[_ListedModel], Field(min_length=1)])


@click.group(cls=Group)
def command() -> None:
    """The group; its text is in the catalogue."""


def _endpoint_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options `--url`, `--key` and `--model` to a command."""
    model = click.option("--model", metavar="MODEL", help=translate("connect.model"))
    key = click.option("--key", metavar="KEY", help=translate("connect.key"))
    return click.option("--url", metavar="URL", help=translate("connect.url"))(key(model(function)))


def _client(name: str, write: Callable[[Endpoint], str]) -> None:
    @_endpoint_options
    def client(url: str | None, key: str | None, model: str | None) -> None:
        endpoint = _chosen_endpoint(url, key, model)
        click.echo(write(endpoint))
        if url is None:
            _warn(endpoint)

    command.command(name, help=translate(f"connect.{name}"))(client)


@command.command("openclaw", help=translate("connect.openclaw"))
@_endpoint_options
@click.option("--tools", is_flag=True, help=translate("connect.tools"))
@click.option("--api", type=click.Choice(sorted(_openclaw.APIS)), default="chat", help=translate("connect.api"))
@click.option("--agent", is_flag=True, help=translate("connect.agent"))
@click.option("--write", is_flag=True, help=translate("connect.write"))
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help=translate("connect.config")
)
@click.option("--dry-run", is_flag=True, help=translate("connect.dry_run"))
def _openclaw_command(
    url: str | None,
    key: str | None,
    model: str | None,
    tools: bool,
    api: str,
    agent: bool,
    write: bool,
    config: Path | None,
    dry_run: bool,
) -> None:
    endpoint = _chosen_endpoint(url, key, model)
    if not (write or dry_run):
        click.echo(json.dumps(_openclaw.patch(endpoint, {}, tools=tools, api=api, separate=agent), indent=2))
        if not agent:
            click.echo(translate("connect.main_model"), err=True)
        return
    path = config or _openclaw.config_path()
    before = _openclaw.read(path)
    after = _openclaw.merge(before, _openclaw.patch(endpoint, before, tools=tools, api=api, separate=agent))
    if after == before:
        click.echo(translate("connect.unchanged", path=path))
        return
    click.echo(_openclaw.difference(before, after, path))
    if not dry_run:
        backup = _openclaw.write(path, after)
        click.echo(translate("connect.written", path=path))
        if backup is not None:
            click.echo(translate("connect.backup", path=backup))


def _chosen_endpoint(url: str | None, key: str | None, model: str | None) -> Endpoint:
    settings = load_settings(**({} if url is None else {"bind": "127.0.0.1:8000"}))
    endpoint = find_endpoint(settings)
    endpoint = dataclasses.replace(endpoint, key=key or endpoint.key)
    if url is not None:
        endpoint = _at_gateway(endpoint, url)
    if model is not None:
        found = chosen_table(resolve_engine(settings)).find(model)
        endpoint = endpoint.with_model(model if found is None else found.id)
    return endpoint


def _at_gateway(endpoint: Endpoint, url: str) -> Endpoint:
    """Return the endpoint at `url` with that gateway's models.

    It has the models of the settings if that gateway does not answer.
    """
    gateway = RemoteGateway(url, "" if endpoint.key == ANY_KEY else endpoint.key)
    endpoint = dataclasses.replace(endpoint, base=f"{gateway.base}/v1", needs_key=False)
    try:
        found = _MODELS.validate_python(gateway.models(MODELS_LIMIT_S))
        names = {one.id for one in found}
        cards = tuple(_card(one) for one in found if not is_twin(one.id, names))
    except (BpuError, ValueError) as error:
        reason = error.message if isinstance(error, BpuError) else type(error).__name__
        click.echo(translate("connect.models_unknown", url=gateway.base, reason=reason), err=True)
        return endpoint
    return dataclasses.replace(endpoint, models=cards)


def _card(model: _ListedModel) -> ModelCard:
    able = model.capabilities or []
    context = model.context_length or ModelCard.context
    return ModelCard(id=model.id, context=context, reasons="thinking" in able, sees="vision" in able)


def _warn(endpoint: Endpoint) -> None:
    """Say on standard error why the printed address would not work now."""
    settings = load_settings()
    if endpoint.needs_key:
        click.echo(translate("connect.needs_key"), err=True)
    if not ask_ready(settings).state:
        click.echo(translate("connect.not_running", bind=settings.bind), err=True)


def _chatbox(endpoint: Endpoint) -> str:
    link = _clients.chatbox_link(endpoint)
    # A telephone that scans a local address would connect to itself.
    has_code = is_terminal(sys.stdout) and not endpoint.is_local
    open_it = translate("connect.chatbox_scan" if has_code else "connect.chatbox_open")
    fields = translate("connect.chatbox_fields", host=endpoint.base, key=endpoint.key, model=endpoint.model)
    text = f"{open_it}\n{link}\n\n{fields}"
    if endpoint.is_local:
        return f"{text}\n{translate('connect.local_only')}"
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
