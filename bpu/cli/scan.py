"""`scan`: lists the gateways of the network, with their models and load."""

from __future__ import annotations

import dataclasses
import json

import click

from bpu.cli._columns import cells, pad_right
from bpu.messages import translate


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 60),
    default=3,
    show_default=True,
    metavar="SECONDS",
    help=translate("scan.seconds"),
)
@click.option("--json", "as_json", is_flag=True, help=translate("scan.json"))
def command(seconds: float, as_json: bool) -> None:
    from bpu.discovery.scan import FoundGateway, scan  # the library is loaded with the command alone

    def row(found: FoundGateway) -> list[str]:
        models = ", ".join(found.models) or (translate("scan.hidden") if found.needs_key else "-")
        return [found.name, found.address, found.version or "-", models, _load(found)]

    def _load(found: FoundGateway) -> str:
        if not found.state:
            return translate("scan.silent")
        parts = [translate("scan.busy") if found.busy else found.state]
        parts += [translate("scan.waiting", number=found.waiting)] if found.waiting else []
        parts += [translate("scan.simulated")] if found.simulated else []
        parts += [translate("scan.key")] if found.needs_key else []
        return ", ".join(parts)

    gateways = scan(seconds)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(found) for found in gateways], ensure_ascii=False, indent=2))
        return
    if not gateways:
        click.echo(translate("scan.none"))
        return
    rows = [
        [translate(f"scan.{name}") for name in ("name", "address", "version", "models", "load")],
        *map(row, gateways),
    ]
    widths = [max(cells(one[column]) for one in rows) for column in range(4)]
    for one in rows:
        padded = [pad_right(text, width) for text, width in zip(one, widths, strict=False)]
        click.echo("  ".join([*padded, one[4]]).rstrip())
