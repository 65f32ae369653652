"""`status`: shows whether this board's gateway is ready, and its addresses."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import click

from bpu import __version__
from bpu.access_policy import serves_networks
from bpu.board import service, tools
from bpu.board.addresses import address_lines, local_addresses, reachable
from bpu.cli import _keeper
from bpu.cli._readiness import ask_ready
from bpu.engine.client.launch_config import served_settings
from bpu.errors import BpuError
from bpu.messages import has, translate
from bpu.settings import Settings, existing_state_dirs, load_settings

NOT_READY = 3


@click.command()
def command() -> None:
    settings = load_settings()
    answer = ask_ready(settings)
    unit = service.state(service.GATEWAY) if tools.find("systemctl") is not None else {}
    words = f"{unit.get('ActiveState')} ({unit.get('SubState')})" if unit.get("LoadState") == "loaded" else ""
    click.echo(translate("cli.version", version=__version__))
    click.echo(translate("status.service", state=words or translate("status.no_service")))
    if not answer.state:
        click.echo(translate("status.nothing_listens", bind=settings.bind))
        click.echo("".join(_engine_lines(settings)), nl=False)
    else:
        key = f"status.state_{answer.state}"
        state = translate(key) if has(key) else answer.state
        click.echo(translate("status.model", model=served_settings(settings).model_id, state=state))
        urls = reachable(settings.bind, local_addresses(), socket.gethostname())
        for line in address_lines(urls, serves_networks(settings)):
            click.echo(line)
    if answer.reason:
        click.echo(answer.reason)
    if not answer.ready:
        click.get_current_context().exit(NOT_READY)


def _engine_lines(settings: Settings) -> Iterator[str]:
    """Yield a line if an engine runs although this gateway does not answer."""
    for folder in existing_state_dirs(settings):
        try:
            if _keeper.status(folder) is not None:
                yield translate("status.other_address") + "\n"
                return
        except BpuError as error:
            yield error.message + "\n"
