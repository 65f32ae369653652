"""`ion`: shows, plans and changes the BPU's memory pools."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bpu.board import tools
from bpu.board.boot import BOOT, active_tree
from bpu.board.errors import BoardError
from bpu.board.layout import Layout, Wish, live_map, next_layout, plan_for, read_wish, vendor_switch
from bpu.board.modes import modes_for
from bpu.board.picture import difference, picture
from bpu.board.pools import Plan
from bpu.board.regions import MemoryMap
from bpu.board.rewrite import Rewriter
from bpu.board.sizes import human
from bpu.cli._group import Group
from bpu.messages import program, say, sudo_program
from bpu.settings import load_settings

FOLDER = click.Path(path_type=Path, file_okay=False)
VENDOR_TIMEOUT_S = 120


def _places(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option("--sysfs", type=FOLDER, default=Path("/"), metavar="FOLDER", help=say("ion.sysfs"))(
        function
    )
    return click.option("--boot-dir", type=FOLDER, default=BOOT, metavar="FOLDER", help=say("ion.boot_dir"))(function)


_yes = click.option("--yes", is_flag=True, help=say("ion.yes"))


@click.group(cls=Group)
def command() -> None:
    """The group; its text is in the catalogue."""


@command.command(help=say("ion.show"))
@_places
def show(boot_dir: Path, sysfs: Path) -> None:
    layout = next_layout(active_tree(boot_dir), sysfs)
    memory, running = layout.memory, live_map(sysfs)
    click.echo(say("ion.title", model=layout.model, path=layout.tree))
    click.echo(picture(memory))
    click.echo(f"  {say('ion.legend')}\n")
    click.echo(say("ion.pools_total", total=human(memory.total), largest=human(_largest(memory))))
    if running is not None and running.pools and running.pools != memory.pools:
        click.echo(say("ion.reboot_pending", total=human(running.total)))
    _warn_of_model(memory)
    copy = Rewriter(layout.tree).copy
    if copy.exists():
        click.echo(say("ion.copy_there", path=copy.path))
    _show_modes(layout.model)


@command.command(help=say("ion.plan"))
@click.argument("wish", nargs=-1, required=True, metavar="WISH...")
@_places
def plan(wish: tuple[str, ...], boot_dir: Path, sysfs: Path) -> None:
    layout = next_layout(active_tree(boot_dir), sysfs)
    if _show_plan(plan_for(layout, read_wish(wish, layout.model)), layout):
        click.echo(say("ion.planned", command=_again(sudo=_is_real(boot_dir), apply=True)))


@command.command(help=say("ion.apply"))
@click.argument("wish", nargs=-1, required=True, metavar="WISH...")
@click.option("--vendor/--no-vendor", default=None, help=say("ion.vendor"))
@_yes
@_places
def apply(wish: tuple[str, ...], vendor: bool | None, yes: bool, boot_dir: Path, sysfs: Path) -> None:
    layout = next_layout(active_tree(boot_dir), sysfs)
    wanted = read_wish(wish, layout.model)
    made = plan_for(layout, wanted)
    if not _show_plan(made, layout):
        return
    _check_right(layout.tree, boot_dir)
    if _takes_vendor(vendor, wanted, vendor_switch(sysfs, boot_dir), yes=yes):
        _run_vendor(sysfs, boot_dir, wanted)
        return
    _agree(say("ion.ask", path=layout.tree), yes=yes)
    written = _safely(lambda: Rewriter(layout.tree).apply(made))
    click.echo(say("ion.copy_made" if written.copy_is_new else "ion.copy_kept", path=written.copy))
    click.echo(say("ion.applied", path=written.tree, sha256=written.sha256))
    click.echo(say("ion.way_back", copy=written.copy, tree=written.tree, command=f"{sudo_program()} ion restore --yes"))


@command.command(help=say("ion.restore"))
@_yes
@_places
def restore(yes: bool, boot_dir: Path, sysfs: Path) -> None:
    tree = active_tree(boot_dir)
    _check_right(tree, boot_dir)
    rewriter = Rewriter(tree)
    _safely(rewriter.copy.read)
    _agree(say("ion.ask_restore", path=tree), yes=yes)
    written = _safely(rewriter.restore)
    click.echo(say("ion.restored", path=written.tree, sha256=written.sha256))


def _show_plan(made: Plan, layout: Layout) -> bool:
    """Whether there is anything to do."""
    if not made.changes:
        click.echo(say("ion.no_change"))
        return False
    click.echo(say("ion.title", model=layout.model, path=layout.tree))
    click.echo(f"{picture(made.after)}\n  {say('ion.legend')}\n")
    for line in difference(made).splitlines():
        click.secho(line, fg={"-": "red", "+": "green"}.get(line[0]))
    _warn_of_model(made.after)
    return True


def _warn_of_model(memory: MemoryMap) -> None:
    settings = load_settings()
    model = settings.in_runtime(settings.hbm_path)
    if model.is_file() and model.stat().st_size > _largest(memory):
        size, largest = human(model.stat().st_size), human(_largest(memory))
        click.secho(say("ion.model_too_large", size=size, largest=largest), fg="yellow")


def _show_modes(model: str) -> None:
    modes = modes_for(model)
    if modes:
        click.echo("\n" + say("ion.modes"))
    for name, one in modes.items():
        sizes = ", ".join(f"{pool} {human(size)}" for pool, size in one.sizes.items())
        source = say(f"ion.{one.source}")
        click.echo(say("ion.mode_row", name=name, total=human(one.total), sizes=sizes, source=source))


def _largest(memory: MemoryMap) -> int:
    return max((pool.span.size for pool in memory.pools), default=0)


def _takes_vendor(vendor: bool | None, wish: Wish, script: Path | None, *, yes: bool) -> bool:
    possible = script is not None and bool(wish.name)
    if vendor and not possible:
        raise BoardError("ion.vendor_modes_only")
    if vendor is not None or not possible:
        return bool(vendor)
    return not yes and click.confirm(say("ion.offer_vendor", path=script, mode=wish.name), default=True)


def _run_vendor(sysfs: Path, boot_dir: Path, wish: Wish) -> None:
    script = vendor_switch(sysfs, boot_dir)
    result = tools.run(["sh", str(script), wish.name], timeout=VENDOR_TIMEOUT_S)
    click.echo(result.out, nl=False)
    if not result.ok:
        raise BoardError("ion.vendor_failed", reason=result.err.strip() or result.code)
    click.echo(say("ion.vendor_done"))


def _agree(question: str, *, yes: bool) -> None:
    if not yes and click.prompt(question, default="", show_default=False).strip().lower() != "yes":
        click.echo(say("ion.left"))
        click.get_current_context().exit(1)


def _is_real(boot_dir: Path) -> bool:
    return boot_dir.resolve() == BOOT


def _check_right(tree: Path, boot_dir: Path) -> None:
    if _is_real(boot_dir) and os.geteuid() != 0:
        raise BoardError("ion.needs_root", path=tree, command=_again(sudo=True))


def _again(*, sudo: bool, apply: bool = False) -> str:
    """What was typed, to be typed again."""
    words = [("apply" if apply and word == "plan" else word) for word in sys.argv[1:]]
    return f"{sudo_program() if sudo else program()} {shlex.join(words)}"


def _safely(do: Callable[[], Any]) -> Any:
    try:
        return do()
    except OSError as error:
        raise BoardError("ion.file_failed", reason=error) from error
