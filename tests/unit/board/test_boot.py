"""The boot menu: which device tree is the active one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpu.board.boot import active_entry, active_tree
from bpu.board.errors import BoardError
from tests.unit.board.device import Board


def test_the_default_entry_names_the_tree(tmp_path: Path) -> None:
    board = Board(tmp_path)
    assert active_tree(board.boot) == board.tree


def test_without_a_default_the_first_entry_counts() -> None:
    entry = active_entry("LABEL a\n  FDT /a.dtb\nlabel b\n  fdt /b.dtb\n")
    assert entry is not None
    assert (entry.label, entry.tree) == ("a", "/a.dtb")
    assert active_entry("# label a\n") is None


def test_a_link_is_followed_to_the_file_that_is_booted(tmp_path: Path) -> None:
    board = Board(tmp_path)
    real = board.tree.rename(board.tree.with_name("real.dtb"))
    board.tree.symlink_to(real.name)
    assert active_tree(board.boot) == real


@pytest.mark.parametrize(
    ("menu", "words"),
    [
        (None, "cannot be read"),
        ("label a\n linux /Image\n", "names no device tree"),
        ("label a\n fdt /hobot/none.dtb\n", "which is not there"),
        ("label a\n fdt /hobot/x.dtb\n fdtoverlays /hobot/camera.dtbo\n", "lays overlays"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, menu: str | None, words: str) -> None:
    if menu is not None:
        (tmp_path / "extlinux").mkdir()
        (tmp_path / "extlinux" / "extlinux.conf").write_text(menu)
    with pytest.raises(BoardError, match=words):
        active_tree(tmp_path)
