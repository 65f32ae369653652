"""`unload`: frees the BPU's memory, for vision nodes for example, after the last job."""

from __future__ import annotations

import click

from bpu.cli._engine import engine_control, target_options, unload_and_wait
from bpu.messages import translate


@click.command()
@target_options
def command(url: str | None, key: str | None, timeout: float) -> None:
    unload_and_wait(engine_control(url, key), limit_s=timeout)
    click.echo(translate("unload.done"))
