"""`bench`: measures what the gateway costs, prints a table or JSON, and warns of what has become worse."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from bpu.bench import outside, plots, programs, report
from bpu.bench.bench import FULL, SHORT
from bpu.bench.figures import Run
from bpu.bench.run import EXTRA, MEASUREMENTS, measure
from bpu.messages import say


@click.command()
@click.option("--url", metavar="URL", help=say("bench.url"))
@click.option("--key", metavar="KEY", help=say("bench.key"))
@click.option("--json", "as_json", is_flag=True, help=say("bench.json"))
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help=say("bench.plot"))
@click.option("--short", is_flag=True, help=say("bench.short"))
@click.option(
    "--only",
    type=click.Choice([*MEASUREMENTS, *EXTRA]),
    multiple=True,
    metavar="NAME",
    help=say("bench.only", names=", ".join([*MEASUREMENTS, *EXTRA])),
)
def command(
    url: str | None, key: str | None, as_json: bool, plot: Path | None, short: bool, only: tuple[str, ...]
) -> None:
    plan = SHORT if short else FULL
    if plot is not None:
        plots.pyplot()  # before minutes are spent on what cannot be drawn
    if url is not None:
        key = key or os.environ.get("OPENAI_API_KEY", "")
        run = outside.measure(outside.address_of(url), key, plan.rounds)
    else:
        if not programs.article_possible():
            click.echo(say("bench.no_article"), err=True)
        run = measure(plan, list(only), note=lambda name: click.echo(say("bench.begins", name=name), err=True))
    if as_json:
        click.echo(json.dumps(run.body(), indent=1))
    else:
        click.echo("\n".join([report.machine(run), "", *report.table(run)]))
    if url is None and not short:
        _compare(run)
    if plot is not None:
        plots.draw(run.series, plot)


def _compare(run: Run) -> None:
    """What has become worse is said, on standard error; it is no failure: the machine may be busy."""
    if before := report.published():
        warnings = list(report.worse(run, before))
        for warning in warnings or [say("bench.not_worse", date=before.machine["date"])]:
            click.echo(warning, err=True)
