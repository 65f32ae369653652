"""`pull`: downloads a model of the catalogue, writes its entry, and examines it."""

from __future__ import annotations

import time
from pathlib import Path

import click

from bpu.board.checks.files import check_files
from bpu.board.checks.memory import check_memory
from bpu.board.doctor import examine
from bpu.board.layout import known_board
from bpu.board.sizes import human
from bpu.cli._terminal import Notice
from bpu.cli.doctor import show_findings, subject_of
from bpu.cli.models import licence_of
from bpu.errors import SettingsError
from bpu.messages import translate
from bpu.models.catalogue import Row, find
from bpu.models.download import Downloader
from bpu.models.entries import add_entry, check_writable, entry_of_file
from bpu.models.pull import Stage, check_allowed, models_folder, pull
from bpu.models.table import load_table
from bpu.settings import Settings, load_settings

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("model", metavar="ID")
@click.option("--to", "target", type=FOLDER, metavar="FOLDER", help=translate("pull.to"))
@click.option("--runtime-dir", type=FOLDER, metavar="FOLDER", help=translate("pull.runtime_dir"))
@click.option("--unchecked", is_flag=True, help=translate("pull.unchecked"))
@click.option("--sysfs", type=FOLDER, default=Path("/"), metavar="FOLDER", help=translate("pull.sysfs"))
def command(model: str, target: Path | None, runtime_dir: Path | None, unchecked: bool, sysfs: Path) -> None:
    settings = load_settings()
    row = find(model)
    if row is None:
        raise click.UsageError(translate("pull.unknown", id=model))
    _refuse(row, settings, sysfs)
    folder = (target or models_folder(settings) / row.id).absolute()
    size = translate("pull.unknown_size") if row.bytes is None else f"{row.bytes / 1e9:.1f} GB"
    click.echo(
        translate("pull.begin", name=row.name, size=size, licence=licence_of(row), folder=folder, source=row.source)
    )
    if row.note:
        click.echo(translate(f"pull.note_{row.note}"))
    downloader = Downloader()
    try:
        with Notice() as notice:
            pulled = pull(row, folder, settings, downloader, unchecked=unchecked, progress=_Bar(notice).show)
    finally:
        downloader.close()
    click.echo(translate("pull.done", path=pulled.hbm))
    click.echo(translate(f"pull.proof_{pulled.proof}"))
    entry = entry_of_file(pulled.hbm, settings, name=row.id, runtime_dir=runtime_dir)
    entry["profile"] = row.console
    if row.thinking:
        entry["thinking"] = row.thinking
    path, table = add_entry(entry, settings)
    click.echo(translate("pull.entry", id=row.id, path=path))
    if table.default != row.id:
        click.echo(translate("pull.default", id=table.default, other=row.id))
    click.echo(translate("models.reload"))
    click.echo(translate("pull.examined"))
    subject = subject_of(settings, sysfs, table.find(row.id))
    show_findings(examine(subject, (check_files, check_memory)))


def _refuse(row: Row, settings: Settings, sysfs: Path) -> None:
    """Refuse, before the download, a model that cannot be used.

    It cannot be downloaded, cannot run here, or is in the table.
    """
    check_allowed(row, settings)
    board = known_board(sysfs)
    if not row.runs_on(board):
        raise SettingsError(translate("pull.other_board", id=row.id, boards=", ".join(row.boards), board=board))
    if load_table(settings).find(row.id) is not None:
        raise SettingsError(translate("pull.taken", id=row.id))
    check_writable(settings)


class _Bar:
    """Shows the progress of a download in one line, at most ten times a second."""

    def __init__(self, notice: Notice) -> None:
        self._notice = notice
        self._shown = 0.0
        self._from: tuple[str, int, float] | None = None

    def show(self, stage: Stage, name: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self._from is None or self._from[0] != name:
            self._from = name, done, now
        if now - self._shown < 0.1:
            return
        self._shown = now
        rate = (done - self._from[1]) / max(0.1, now - self._from[2])
        of = human(total) if total else "?"
        self._notice.show(translate(f"pull.{stage}", name=name, done=human(done), total=of, rate=human(int(rate))))
