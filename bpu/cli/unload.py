"""`unload`: gives the BPU's memory back, to vision nodes say, when the last job is done."""

from __future__ import annotations

import click

from bpu.cli._engine import handle, target_options, unloaded
from bpu.messages import say


@click.command()
@target_options
def command(url: str | None, key: str | None, timeout: float) -> None:
    unloaded(handle(url, key), limit_s=timeout)
    click.echo(say("unload.done"))
