"""`models`: lists the table's models and the catalogue, and adds entries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bpu.board.checks.memory import fit_words
from bpu.board.fits import Verdict, verdict
from bpu.board.layout import known_board
from bpu.cli import _keeper
from bpu.cli._columns import pad_right
from bpu.cli._group import Group
from bpu.engine.client.launch_config import choose_files, chosen_table, resolve_engine
from bpu.errors import BpuError, SettingsError
from bpu.messages import translate
from bpu.models.catalogue import Row, catalogue
from bpu.models.entries import add_entry, entry_of_folder, entry_text
from bpu.models.names import WITHOUT_CONSOLE, Board
from bpu.models.readiness import missing_files, refusals
from bpu.models.spec import ModelSpec
from bpu.settings import Settings, load_settings, state_dir

FOLDER = click.Path(path_type=Path, file_okay=False)
_sysfs = click.option("--sysfs", type=FOLDER, default=Path("/"), metavar="FOLDER", help=translate("models.sysfs"))
_json = click.option("--json", "as_json", is_flag=True, help=translate("models.json"))


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        _list(as_json=False, sysfs=Path("/"))


@command.command("list", help=translate("models.list"))
@_json
@_sysfs
def list_command(as_json: bool, sysfs: Path) -> None:
    _list(as_json=as_json, sysfs=sysfs)


@command.command(help=translate("models.add"))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--id", "name", default="", metavar="NAME", help=translate("models.id"))
@click.option("--runtime-dir", type=FOLDER, metavar="FOLDER", help=translate("models.runtime_dir"))
@click.option("--dry-run", is_flag=True, help=translate("models.dry_run"))
def add(folder: Path, name: str, runtime_dir: Path | None, dry_run: bool) -> None:
    settings = load_settings()
    entry = entry_of_folder(folder, settings, name=name, runtime_dir=runtime_dir)
    click.echo(entry_text(entry), nl=False)
    if dry_run:
        return
    path, table = add_entry(entry, settings)
    click.echo(translate("models.added", id=entry["id"], path=path))
    if table.default != entry["id"]:
        click.echo(translate("models.default_is", id=table.default, other=entry["id"], path=path))
    click.echo(translate("models.reload"))


@command.command(help=translate("models.available"))
@click.option("--all", "every", is_flag=True, help=translate("models.all"))
@_json
@_sysfs
def available(every: bool, as_json: bool, sysfs: Path) -> None:
    board = known_board(sysfs)
    rows = [row for row in catalogue() if every or row.runs_on(board)]
    if as_json:
        click.echo(json.dumps([row.model_dump(mode="json") for row in rows], ensure_ascii=False, indent=2))
        return
    key = "none_for_board" if board in WITHOUT_CONSOLE else "for_board" if board else "no_board"
    click.echo(translate(f"models.{key}", board=board))
    for row in rows:
        click.echo(_row(row, board))
    click.echo(translate("models.catalogue_note"))


def _row(row: Row, board: Board | None) -> str:
    speeds = [speed for one, speed in row.speed.items() if board in (None, one)]
    return translate(
        "models.row",
        id=pad_right(row.id, 24),
        size="-" if row.bytes is None else f"{row.bytes / 1e9:.1f} GB",
        context=row.context,
        speed=f"{speeds[0]:g}" if speeds else "-",
        boards="/".join(row.boards),
        sdk=row.sdk,
        licence=licence_of(row),
        pull=translate("models.can_pull")
        if row.pull
        else translate("models.cannot_pull", why=translate(f"pull.why_{row.why}")),
    )


def licence_of(row: Row) -> str:
    """Return the licence; usually that of the weights, because the compiled files state none."""
    if not row.licence:
        return translate("models.licence_unknown")
    return row.licence + ("" if row.licence_of == "file" else translate("models.of_weights"))


def _list(*, as_json: bool, sysfs: Path) -> None:
    settings = resolve_engine(load_settings(), root=sysfs)
    table = chosen_table(settings)
    loaded = _loaded_model(settings)
    rows = [_describe(settings, model, model.id == table.default, loaded, sysfs) for model in table.models]
    if as_json:
        click.echo(json.dumps({"path": str(table.path or ""), "models": rows}, ensure_ascii=False, indent=2))
        return
    click.echo(translate("models.table", path=table.path) if table.path else translate("models.no_table"))
    for row in rows:
        click.echo(f"{'*' if row['default'] else ' '} {pad_right(row['id'], 24)} {row['said']}")
    click.echo(translate("models.one_at_a_time"))


def _loaded_model(settings: Settings) -> str:
    """Return the id of the loaded model.

    Return "" if none is loaded or no engine runs.
    """
    try:
        status = _keeper.status(state_dir(settings)) or {}
    except BpuError:
        return ""
    return str(status["model"]) if status.get("state") in ("ready", "busy") else ""


def _stand_in(settings: Settings, model: ModelSpec, sysfs: Path) -> str:
    """Return `cpu` or `simulator` if it answers in place of a console, else ""."""
    try:
        files = choose_files(settings, model, root=sysfs)
    except SettingsError:
        return ""  # `_describe` says why
    return "cpu" if files.cpu else "simulator" if files.simulated else ""


def _describe(settings: Settings, model: ModelSpec, default: bool, loaded: str, sysfs: Path) -> dict[str, Any]:
    missing, against = missing_files(model), refusals(model, known_board(sysfs))
    judged = verdict(model, sysfs)
    state = "missing" if missing else "refused" if against else fit_word(judged)
    state = "loaded" if loaded == model.id else _stand_in(settings, model, sysfs) or state
    said = {
        "loaded": translate("models.loaded"),
        "cpu": translate("models.on_cpu"),
        "simulator": translate("models.simulated"),
        "missing": "\n    ".join([translate("models.files_missing"), *missing]),
        "refused": " ".join(against),
    }.get(state) or fit_words(judged)
    need = judged.need.total if judged.need else None
    return {
        "id": model.id, "aliases": list(model.aliases), "default": default, "state": state, "said": said,
        "profile": model.profile, "hbm": str(model.hbm), "context": model.context, "need_bytes": need,
    }  # fmt: skip


def fit_word(judged: Verdict) -> str:
    """Return `fits`, `perhaps`, `too_large` or `unknown`, for programs."""
    return judged.now.name.lower() if judged.now else "unknown"
