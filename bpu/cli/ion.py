"""`ion`: shows, plans and changes the BPU's memory pools."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from bpu.board import tools
from bpu.board.boot import BOOT, active_tree
from bpu.board.boot_config import NAME, POOLS, BootConfig, config_file
from bpu.board.dtb_writer import DtbWriter
from bpu.board.errors import BoardError, InvalidPoolRequest
from bpu.board.fits import usable_sizes
from bpu.board.layout import Layout, PoolRequest, live_map, next_layout, parse_request, plan_for, vendor_switch
from bpu.board.memory_map_text import difference, memory_map_text
from bpu.board.modes import VENDOR_MODES, modes_for
from bpu.board.pools import ALIGNMENT, LINUX_ROOM, Plan
from bpu.board.regions import MemoryMap
from bpu.board.sizes import human
from bpu.cli._group import Group
from bpu.errors import SettingsError
from bpu.messages import os_reason, program, sudo_program, translate
from bpu.models.catalogue import need_of
from bpu.models.memory import Fit, Need, fit, smallest_mode
from bpu.models.sdk import is_file
from bpu.models.table import default_model
from bpu.settings import load_settings

FOLDER = click.Path(path_type=Path, file_okay=False)
VENDOR_TIMEOUT_S = 120


def _folder_options(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option("--sysfs", type=FOLDER, default=Path("/"), metavar="FOLDER", help=translate("ion.sysfs"))(
        function
    )
    return click.option("--boot-dir", type=FOLDER, default=BOOT, metavar="FOLDER", help=translate("ion.boot_dir"))(
        function
    )


_via = click.option(
    "--via", type=click.Choice(["auto", "config", "tree"]), default="auto", show_default=True, help=translate("ion.via")
)
_yes = click.option("--yes", is_flag=True, help=translate("ion.yes"))


@click.group(cls=Group)
def command() -> None:
    """The group; its text is in the catalogue."""


@command.command(help=translate("ion.show"))
@_folder_options
def show(boot_dir: Path, sysfs: Path) -> None:
    layout = next_layout(active_tree(boot_dir), sysfs)
    memory, running = layout.memory, live_map(sysfs)
    click.echo(translate("ion.title", model=layout.model, path=layout.tree))
    click.echo(memory_map_text(memory))
    click.echo(f"  {translate('ion.legend')}\n")
    click.echo(translate("ion.pools_total", total=human(memory.total), largest=human(_largest(memory))))
    if running is not None and running.pools and running.pools != memory.pools:
        click.echo(translate("ion.reboot_pending", total=human(running.total)))
    config = _config(layout, boot_dir, "auto")
    sizes = _next_sizes(layout, config)
    _warn_if_model_too_large(sizes)
    tree_copy = DtbWriter(layout.tree).copy
    for copy in (tree_copy, *([config.copy] if config else [])):
        if copy.exists():
            click.echo(translate("ion.copy_there", path=copy.path))
    if config is not None:
        _show_config(config, layout, running, sizes)
        if config.sizes() and tree_copy.exists() and tree_copy.read() != layout.tree.read_bytes():
            click.secho(translate("ion.both", config=config.path, tree=layout.tree), fg="yellow")
    _show_modes(layout.model)


@command.command(help=translate("ion.plan"))
@click.argument("request", nargs=-1, required=True, metavar="REQUEST...")
@_via
@_folder_options
def plan(request: tuple[str, ...], via: str, boot_dir: Path, sysfs: Path) -> None:
    layout = next_layout(active_tree(boot_dir), sysfs)
    if (config := _config(layout, boot_dir, via)) is not None:
        changed = _show_config_plan(config, layout, parse_request(request, layout.model))
    else:
        changed = _show_plan(plan_for(layout, parse_request(request, layout.model)), layout)
    if changed:
        click.echo(translate("ion.planned", command=_command_line(sudo=_is_real(boot_dir), apply=True)))


@command.command(help=translate("ion.apply"))
@click.argument("request", nargs=-1, required=True, metavar="REQUEST...")
@click.option("--vendor/--no-vendor", default=None, help=translate("ion.vendor"))
@_yes
@_via
@_folder_options
def apply(request: tuple[str, ...], vendor: bool | None, yes: bool, via: str, boot_dir: Path, sysfs: Path) -> None:
    layout = next_layout(active_tree(boot_dir), sysfs)
    wanted = parse_request(request, layout.model)
    _refuse_too_small_mode(wanted, {pool.name: pool.span.size for pool in layout.memory.pools}, layout.model)
    config = None if vendor else _config(layout, boot_dir, via)
    if config is not None:
        _apply_config(config, layout, wanted, yes=yes, boot_dir=boot_dir)
        return
    made = plan_for(layout, wanted)
    if not _show_plan(made, layout):
        return
    _check_permission(layout.tree, boot_dir)
    if _use_vendor_script(vendor, wanted, vendor_switch(sysfs, boot_dir), yes=yes):
        _run_vendor(sysfs, boot_dir, wanted)
        return
    _confirm(translate("ion.ask", path=layout.tree), yes=yes)
    written = _as_board_error(lambda: DtbWriter(layout.tree).apply(made))
    click.echo(translate("ion.copy_made" if written.copy_is_new else "ion.copy_kept", path=written.copy))
    click.echo(translate("ion.applied", path=written.tree, sha256=written.sha256))
    click.echo(
        translate("ion.way_back", copy=written.copy, tree=written.tree, command=f"{sudo_program()} ion restore --yes")
    )
    if (beside := config_file(boot_dir, layout.model)) is not None and BootConfig(beside).sizes():
        click.secho(translate("ion.both", config=beside, tree=layout.tree), fg="yellow")


@command.command(help=translate("ion.restore"))
@_yes
@_via
@_folder_options
def restore(yes: bool, via: str, boot_dir: Path, sysfs: Path) -> None:
    tree = active_tree(boot_dir)
    config = BootConfig(boot_dir / NAME)
    if via == "config" or (via == "auto" and config.copy.exists()):
        _restore_config(config, yes=yes, boot_dir=boot_dir)
        return
    _check_permission(tree, boot_dir)
    rewriter = DtbWriter(tree)
    _as_board_error(rewriter.copy.read)
    _confirm(translate("ion.ask_restore", path=tree), yes=yes)
    written = _as_board_error(rewriter.restore)
    click.echo(translate("ion.restored", path=written.tree, sha256=written.sha256))


def _show_plan(made: Plan, layout: Layout) -> bool:
    """Show the plan; return whether it changes anything."""
    if not made.changes:
        click.echo(translate("ion.no_change"))
        return False
    click.echo(translate("ion.title", model=layout.model, path=layout.tree))
    click.echo(f"{memory_map_text(made.after)}\n  {translate('ion.legend')}\n")
    for line in difference(made).splitlines():
        click.secho(line, fg={"-": "red", "+": "green"}.get(line[0]))
    _warn_if_model_too_large({pool.name: pool.span.size for pool in made.after.pools})
    return True


def _warn_if_model_too_large(sizes: Mapping[str, int]) -> None:
    need, largest = _need(), max(usable_sizes(sizes), default=0)
    if need is not None and need.largest > largest:
        click.secho(translate("ion.model_too_large", size=human(need.largest), largest=human(largest)), fg="yellow")


def _need() -> Need | None:
    """Return the served model's need; None if it is missing or unknown.

    A mistake in the table of models is ignored, so that the pools can be restored anyway.
    """
    try:
        model = default_model(load_settings())
    except SettingsError:
        return None
    return need_of(model) if is_file(model.hbm) else None


def _refuse_too_small_mode(request: PoolRequest, now: Mapping[str, int], model: str) -> None:
    """Refuse a mode that is too small for the served model.

    It also refuses one that holds the model only perhaps, where another certainly does. Explicit sizes are always
    accepted.
    """
    need = _need()
    found = Fit.FITS if need is None else fit(need, usable_sizes({**now, **request.sizes}))
    if not request.name or need is None or found is Fit.FITS:
        return
    if found is Fit.TOO_LARGE:
        raise InvalidPoolRequest("ion.mode_too_small", name=request.name, need=human(need.total))
    better = smallest_mode(need, {name: usable_sizes(one.sizes) for name, one in modes_for(model).items()})
    if better is not None and better[1] is Fit.FITS:
        values = {"name": request.name, "need": human(need.largest), "mode": better[0]}
        raise InvalidPoolRequest("ion.pool_too_small", **values)


# /boot/config.txt


def _config(layout: Layout, boot_dir: Path, via: str) -> BootConfig | None:
    """Return the boot loader's file if it is to be changed.

    If it is None, the device tree is changed.
    """
    if via == "tree":
        return None
    path = config_file(boot_dir, layout.model)
    if path is None and via == "config":
        raise BoardError("ion.no_config", path=boot_dir / NAME, model=layout.model)
    return None if path is None else BootConfig(path)


def _next_sizes(layout: Layout, config: BootConfig | None) -> dict[str, int]:
    """Return each pool's bytes at the next start.

    They are the device tree's, overridden by the boot loader's file.
    """
    tree = {pool.name: pool.span.size for pool in layout.memory.pools}
    return {**tree, **(config.sizes() if config else {})}


def _show_config(config: BootConfig, layout: Layout, running: MemoryMap | None, sizes: Mapping[str, int]) -> None:
    found = config.sizes()
    words = ", ".join(f"{name} {human(size)}" for name, size in found.items())
    if not found:
        click.echo(translate("ion.config_free", path=config.path))
    else:
        total, largest = human(sum(sizes.values())), human(max(sizes.values()))
        click.echo(translate("ion.config_sets", path=config.path, sizes=words, total=total, largest=largest))
    if config.has_crlf():
        click.secho(translate("ion.config_crlf", path=config.path), fg="yellow")
    now = {pool.name: pool.span.size for pool in running.pools} if running else {}
    if found and any(now.get(name) != size for name, size in found.items()):
        click.echo(translate("ion.config_pending"))
    click.echo(translate("ion.config_slot"))


def _show_config_plan(config: BootConfig, layout: Layout, request: PoolRequest) -> bool:
    """Show the plan; return whether it changes anything.

    Raises `BoardError` for sizes that are not possible.
    """
    before = _next_sizes(layout, config)
    for name, size in request.sizes.items():
        if name not in POOLS:
            raise InvalidPoolRequest("ion.no_such_pool", name=name, names=", ".join(POOLS))
        if size <= 0 or size % ALIGNMENT:
            raise InvalidPoolRequest("ion.unaligned_size", name=name, size=human(size), alignment=human(ALIGNMENT))
    after = {**before, **request.sizes}
    ram = sum(span.size for span in layout.memory.ram)
    left, total = ram - sum(after.values()), sum(after.values())
    if left < LINUX_ROOM and total > sum(before.values()):
        raise BoardError("ion.no_linux_room", left=human(max(left, 0)), needed=human(LINUX_ROOM), total=human(total))
    if after == before and set(request.sizes) <= set(config.sizes()) and not config.has_crlf():
        click.echo(translate("ion.no_change"))
        return False
    click.echo(translate("ion.config_title", model=layout.model, path=config.path))
    for name, size in after.items():
        if size != before.get(name):
            click.secho(f"- {name:<14} {human(before.get(name, 0)):>10}", fg="red")
            click.secho(f"+ {name:<14} {human(size):>10}", fg="green")
    click.echo(translate("ion.total", before=human(sum(before.values())), after=human(total)))
    click.echo(translate("ion.linux_keeps", left=human(max(left, 0)), ram=human(ram)))
    click.echo(translate("ion.config_slot"))
    _warn_if_model_too_large(after)
    return True


def _apply_config(config: BootConfig, layout: Layout, request: PoolRequest, *, yes: bool, boot_dir: Path) -> None:
    if not _show_config_plan(config, layout, request):
        return
    _check_permission(config.path, boot_dir)
    _confirm(translate("ion.ask_config", path=config.path), yes=yes)
    saved = _as_board_error(lambda: config.apply(request.sizes))
    click.echo(translate("ion.copy_made" if saved.copy_is_new else "ion.copy_kept", path=saved.copy))
    click.echo(translate("ion.config_applied", path=saved.path, sha256=saved.sha256))
    click.echo(
        translate(
            "ion.config_way_back", copy=saved.copy, path=saved.path, command=f"{sudo_program()} ion restore --yes"
        )
    )
    copy = DtbWriter(layout.tree).copy
    if copy.exists() and copy.read() != layout.tree.read_bytes():
        click.secho(translate("ion.both", config=saved.path, tree=layout.tree), fg="yellow")


def _restore_config(config: BootConfig, *, yes: bool, boot_dir: Path) -> None:
    _check_permission(config.path, boot_dir)
    _as_board_error(config.copy.read)
    _confirm(translate("ion.ask_restore", path=config.path), yes=yes)
    saved = _as_board_error(config.restore)
    click.echo(translate("ion.restored", path=saved.path, sha256=saved.sha256))
    if saved.kept_others:
        click.echo(translate("ion.config_kept", path=saved.path))


def _show_modes(model: str) -> None:
    modes = modes_for(model)
    if modes:
        click.echo("\n" + translate("ion.modes"))
    for name, one in modes.items():
        sizes = ", ".join(f"{pool} {human(size)}" for pool, size in one.sizes.items())
        source = translate(f"ion.{one.source}")
        click.echo(translate("ion.mode_row", name=name, total=human(one.total), sizes=sizes, source=source))


def _largest(memory: MemoryMap) -> int:
    return max((pool.span.size for pool in memory.pools), default=0)


def _use_vendor_script(vendor: bool | None, request: PoolRequest, script: Path | None, *, yes: bool) -> bool:
    possible = script is not None and request.name in VENDOR_MODES
    if vendor and not possible:
        raise BoardError("ion.vendor_modes_only")
    if vendor is not None or not possible:
        return bool(vendor)
    return not yes and click.confirm(translate("ion.offer_vendor", path=script, mode=request.name), default=True)


def _run_vendor(sysfs: Path, boot_dir: Path, request: PoolRequest) -> None:
    script = vendor_switch(sysfs, boot_dir)
    result = tools.run(["sh", str(script), request.name], timeout=VENDOR_TIMEOUT_S)
    click.echo(result.out, nl=False)
    if not result.ok:
        raise BoardError("ion.vendor_failed", reason=result.err.strip() or result.code)
    click.echo(translate("ion.vendor_done"))


def _confirm(question: str, *, yes: bool) -> None:
    if not yes and click.prompt(question, default="", show_default=False).strip().lower() != "yes":
        click.echo(translate("ion.left"))
        click.get_current_context().exit(1)


def _is_real(boot_dir: Path) -> bool:
    return boot_dir.resolve() == BOOT


def _check_permission(tree: Path, boot_dir: Path) -> None:
    if _is_real(boot_dir) and os.geteuid() != 0:
        raise BoardError("ion.needs_root", path=tree, command=_command_line(sudo=True))


def _command_line(*, sudo: bool, apply: bool = False) -> str:
    """Return this command line, to be typed again."""
    words = [("apply" if apply and word == "plan" else word) for word in sys.argv[1:]]
    return f"{sudo_program() if sudo else program()} {shlex.join(words)}"


def _as_board_error(do: Callable[[], Any]) -> Any:
    try:
        return do()
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise BoardError("ion.file_failed", reason=f"{place}{os_reason(error)}") from error
