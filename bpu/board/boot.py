"""Finds the device tree that the board boots with, by `extlinux.conf`.

It reads and never writes. The format is that of U-Boot's and syslinux' menus: `label NAME` opens an entry, `fdt PATH`
names its device tree, `default NAME` names the entry that boots.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bpu.board.errors import BoardError
from bpu.messages import os_reason

BOOT = Path("/boot")
#: Two spellings of the same keyword.
_TREE_WORDS = ("fdt", "devicetree")


@dataclass(frozen=True)
class Entry:
    """One entry of the boot menu.

    `tree` is its device tree as written, "" if it names none.
    """

    label: str
    tree: str = ""
    overlays: str = ""


def config_path(boot_dir: Path) -> Path:
    """Return the file of the boot menu below `boot_dir`."""
    return boot_dir / "extlinux" / "extlinux.conf"


def active_tree(boot_dir: Path = BOOT) -> Path:
    """Return the file of the active entry's device tree.

    Raises `BoardError` that names what is missing.
    """
    config = config_path(boot_dir)
    try:
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise BoardError("ion.no_boot_config", path=config, reason=os_reason(error)) from None
    entry = active_entry(text)
    if entry is None or not entry.tree:
        raise BoardError("ion.no_tree_named", path=config)
    if entry.overlays:
        # The boot loader applies overlays to the tree at each start, so they could move the pools after a plan.
        raise BoardError("ion.overlays", path=config, overlays=entry.overlays)
    return _inside(boot_dir, entry.tree)


def active_entry(text: str) -> Entry | None:
    """Return the default entry of a menu.

    The first one, if no default is named or the default is missing.
    """
    entries = list(_entries(text))
    wanted = next((rest for word, rest in _words(text) if word == "default"), None)
    return next((entry for entry in entries if entry.label == wanted), entries[0] if entries else None)


def _inside(boot_dir: Path, name: str) -> Path:
    """Resolve a path of the boot menu.

    It begins at the root of the partition mounted at /boot, or at the root of the system.
    """
    relative = name.lstrip("/")
    candidates = [boot_dir / relative, boot_dir / relative.removeprefix("boot/")]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise BoardError("ion.no_tree_file", path=candidates[0])
    # A link must not be replaced by a file: its target is what is booted.
    return found.resolve()


def _entries(text: str) -> Iterator[Entry]:
    label: str | None = None
    found: dict[str, str] = {}
    for word, rest in _words(text):
        if word == "label":
            if label is not None:
                yield Entry(label, **found)
            label, found = rest, {}
        elif word in _TREE_WORDS:
            found["tree"] = rest
        elif word in ("fdtoverlays", "devicetree-overlay"):
            found["overlays"] = rest
    if label is not None:
        yield Entry(label, **found)


def _words(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        words = line.strip().split(None, 1)
        if words and not words[0].startswith("#"):
            yield words[0].lower(), words[1].strip() if len(words) > 1 else ""
