"""`load`: takes the BPU's memory for the model, at once, and says how long it took."""

from __future__ import annotations

import click

from bpu.cli._engine import handle, loaded, target_options
from bpu.messages import say


@click.command()
@target_options
def command(url: str | None, key: str | None, timeout: float) -> None:
    status = loaded(handle(url, key), limit_s=timeout)
    click.echo(say("load.done", model=status["model"], seconds=f"{status['load_s'] or 0.0:.1f}"))
