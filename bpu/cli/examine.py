"""`examine`: tests whether the console retains history and `reset` works, once all jobs have ended."""

from __future__ import annotations

import click

from bpu.cli._engine import engine_control, examine, target_options
from bpu.messages import translate


@click.command()
@target_options
def command(url: str | None, key: str | None, timeout: float) -> None:
    status = examine(engine_control(url, key), limit_s=timeout)
    trust = status["trust"]
    click.echo(translate("examine.history_kept" if trust["keeps"] else "examine.history_unknown"))
    click.echo(translate("examine.reset_trusted" if trust["resets"] else "examine.reset_not_trusted"))
    if status["trust_source"] == "settings":
        click.echo(translate("examine.by_settings"))
