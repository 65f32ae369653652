"""`reclaim`: shows the board's memory, and frees some with `--yes`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from bpu.board import reclaim
from bpu.board.errors import BoardError
from bpu.board.processes import holders
from bpu.board.readings import Reading
from bpu.board.reclaim import Candidate, Ownership
from bpu.board.sizes import human
from bpu.cli._columns import pad_left, pad_right
from bpu.messages import translate
from bpu.models.table import load_table
from bpu.settings import load_settings

ROOT = Path("/")


@click.command()
@click.option("--pid", "wanted", type=int, multiple=True, metavar="N", help=translate("reclaim.pid"))
@click.option("--drop-caches", is_flag=True, help=translate("reclaim.drop_caches"))
@click.option("--yes", is_flag=True, help=translate("reclaim.yes"))
@click.option(
    "--sysfs", type=click.Path(path_type=Path, file_okay=False), default=ROOT, metavar="FOLDER",
    help=translate("reclaim.sysfs"),
)  # fmt: skip
def command(wanted: tuple[int, ...], drop_caches: bool, yes: bool, sysfs: Path) -> None:
    before = reclaim.memory(sysfs)
    found = reclaim.candidates({model.console for model in load_table(load_settings()).models}, sysfs)
    to_end = reclaim.choose(found, wanted)
    _show_candidates(found, wanted, sysfs)
    if not yes:
        _show_now(before)
        _show_plan(to_end, drop_caches=drop_caches)
        return
    if sysfs != ROOT:
        raise BoardError("reclaim.not_here")
    if not to_end and not drop_caches:
        click.echo(translate("reclaim.idle"))
        _show_now(before)
        return
    _carry_out(to_end, drop_caches=drop_caches)
    _show_both(before, reclaim.wait_until_stable())


def _carry_out(to_end: Sequence[Candidate], *, drop_caches: bool) -> None:
    for one in to_end:
        ended = reclaim.end_process(one.process)
        click.echo(translate("reclaim.ended" if ended else "reclaim.gone", process=one.process))
    if drop_caches:
        reclaim.drop_caches()
        click.echo(translate("reclaim.dropped"))


def _show_plan(to_end: Sequence[Candidate], *, drop_caches: bool) -> None:
    for one in to_end:
        click.echo(translate("reclaim.would_end", process=one.process))
    if drop_caches:
        click.echo(translate("reclaim.would_drop"))
    click.echo(translate("reclaim.dry_run" if to_end or drop_caches else "reclaim.idle"))


def _show_candidates(found: Sequence[Candidate], wanted: Sequence[int], sysfs: Path) -> None:
    for one in found:
        pid = one.process.pid
        words = "reclaim.asked" if pid in wanted else f"reclaim.{one.ownership.value}"
        said = translate(words, pid=pid) if one.ownership is Ownership.OWNED and pid not in wanted else translate(words)
        held = "?" if one.held is None else human(one.held)
        click.echo(translate("reclaim.row", process=one.process, held=held, words=said))
    if holders(sysfs) is None and any(row["name"].startswith("ion") for row in reclaim.memory(sysfs)):
        click.echo(translate("reclaim.hidden"))
    elif not found:
        click.echo(translate("reclaim.nothing"))


def _show_now(rows: Sequence[Reading]) -> None:
    _columns(*(translate(f"reclaim.{key}") for key in ("memory", "used", "total")))
    for row in rows:
        _columns(row["name"], _size(row["used"]), human(row["total"]))


def _show_both(before: Sequence[Reading], after: Sequence[Reading]) -> None:
    _columns(*(translate(f"reclaim.{key}") for key in ("memory", "before", "after", "total")))
    then = {row["name"]: row["used"] for row in before}
    for row in after:
        _columns(row["name"], _size(then.get(row["name"])), _size(row["used"]), human(row["total"]))


def _columns(name: str, *cells: str) -> None:
    click.echo(pad_right(name, 14) + "".join(f" {pad_left(cell, 12)}" for cell in cells))


def _size(size: int | None) -> str:
    return "?" if size is None else human(size)
