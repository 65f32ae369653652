"""`bench`: measures a running gateway over HTTP, and prints a table or JSON."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from bpu.bench import remote, report
from bpu.messages import translate


@click.command()
@click.option("--url", metavar="URL", required=True, help=translate("bench.url"))
@click.option("--key", metavar="KEY", help=translate("bench.key"))
@click.option("--json", "as_json", is_flag=True, help=translate("bench.json"))
@click.option("--short", is_flag=True, help=translate("bench.short"))
def command(url: str, key: str | None, as_json: bool, short: bool) -> None:
    key = key or os.environ.get("OPENAI_API_KEY", "")
    run = remote.measure(remote.address_of(url), key, remote.SHORT_ROUNDS if short else remote.ROUNDS)
    if as_json:
        click.echo(json.dumps(run.body(), indent=1))
    else:
        click.echo("\n".join([report.machine(run), "", *report.table(run, _text)]))


def _text(key: str, /, **values: Any) -> str:
    return translate(f"bench.{key}", **values)
