"""`logs`: shows the service's log."""

from __future__ import annotations

import click

from bpu.board import service, tools
from bpu.errors import EngineUnavailable
from bpu.messages import translate


@click.command()
@click.option("-f", "--follow", is_flag=True, help=translate("logs.follow"))
@click.option("-n", "--lines", type=click.IntRange(min=1), default=50, show_default=True, help=translate("logs.lines"))
def command(follow: bool, lines: int) -> None:
    if tools.find("journalctl") is None or service.state(service.GATEWAY).get("LoadState") != "loaded":
        raise EngineUnavailable(translate("logs.no_service"))
    words = ["journalctl", "-u", service.GATEWAY, "-n", str(lines), *(["-f"] if follow else ["--no-pager"])]
    tools.replace(words)
