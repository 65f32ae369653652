"""`load`: loads a model at once and says how long it took."""

from __future__ import annotations

import click

from bpu.cli._engine import engine_control, load_and_wait, model_id, target_options
from bpu.messages import translate


@click.command()
@click.option("--model", metavar="MODEL", help=translate("load.model"))
@target_options
def command(model: str | None, url: str | None, key: str | None, timeout: float) -> None:
    wanted = model_id(model, url, key) if model else ""
    status = load_and_wait(engine_control(url, key), model=wanted, limit_s=timeout)
    click.echo(translate("load.done", model=status["model"], seconds=f"{status['load_s'] or 0.0:.1f}"))
