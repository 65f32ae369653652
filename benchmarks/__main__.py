"""Measures what the gateway costs: `python -m benchmarks`.

It prints a table or JSON, and warns of regressions.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from benchmarks import plots, programs, published_run, run
from benchmarks.messages import say
from benchmarks.plan import FULL, SHORT
from bpu.bench import report
from bpu.bench.figures import Run
from bpu.errors import BpuError


@click.command(help=say("about"))
@click.option("--json", "as_json", is_flag=True, help=say("json"))
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help=say("plot"))
@click.option("--short", is_flag=True, help=say("short"))
@click.option(
    "--only",
    type=click.Choice([*run.MEASUREMENTS, *run.EXTRA]),
    multiple=True,
    metavar="NAME",
    help=say("only", names=", ".join([*run.MEASUREMENTS, *run.EXTRA])),
)
def main(as_json: bool, plot: Path | None, short: bool, only: tuple[str, ...]) -> None:
    try:
        if plot is not None:
            plots.pyplot()  # fails before minutes are spent on what cannot be drawn
        measured = _measure(only, short=short)
        if as_json:
            click.echo(json.dumps(measured.body(), indent=1))
        else:
            heads = ("figure", "gateway", "relay", "process_per_request", "aim")
            click.echo("\n".join([report.machine(measured), "", *report.table(measured, say, heads)]))
        if not short:
            _compare(measured)
        if plot is not None:
            plots.draw(measured.series, plot)
    except BpuError as error:
        click.echo(error.message, err=True)
        raise SystemExit(error.exit_code) from None


def _measure(only: tuple[str, ...], *, short: bool) -> Run:
    if not programs.can_run_process_per_request():
        click.echo(say("no_process_per_request"), err=True)
    plan = SHORT if short else FULL
    return run.measure(plan, list(only), on_start=lambda name: click.echo(say("begins", name=name), err=True))


def _compare(measured: Run) -> None:
    """Print regressions to standard error. They are no failure, because the machine may be busy."""
    if before := published_run.load_published_run():
        regressions = list(published_run.find_regressions(measured, before))
        for line in regressions or [say("not_worse", date=before.machine["date"])]:
            click.echo(line, err=True)


if __name__ == "__main__":
    main()
