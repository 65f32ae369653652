"""Boards in a folder: device trees made by `dtc`, a boot menu, and the kernel's files as the facts tell of them."""

from __future__ import annotations

import struct
from pathlib import Path

from bpu.board import tools

TREES = Path(__file__).with_name("trees")
NAMES = {"s100": "rdk-s100-v1p1.dtb", "s600": "rdk-s600-mcb-v0p2.dtb"}
MENU = """\
# a menu as boards have it
timeout 10
default primary

label rescue
    menu label Rescue
    linux /Image
    fdt /hobot/rescue.dtb
label primary
    linux /Image
    initrd /initrd
    fdt /hobot/{tree}
    append root=/dev/mmcblk0p16 rw
"""


def compile_tree(source: Path | str, target: Path) -> Path:
    """A `.dtb` of a `.dts` file or text, by the real `dtc`."""
    text = source.read_text() if isinstance(source, Path) else source
    result = tools.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", target, "-"], timeout=30, input=text)
    assert result.ok, result.err
    return target


class Board:
    """`root` is the board's file system: `boot` its boot files, `proc` and `sys` the kernel's."""

    def __init__(self, root: Path, kind: str = "s100") -> None:
        self.root, self.boot = root, root / "boot"
        (self.boot / "hobot").mkdir(parents=True)
        (self.boot / "extlinux").mkdir()
        (self.boot / "extlinux" / "extlinux.conf").write_text(MENU.format(tree=NAMES[kind]))
        self.tree = compile_tree(TREES / f"{kind}.dts", self.boot / "hobot" / NAMES[kind])

    def file(self, path: str, content: str | bytes) -> Path:
        """A file of the board."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        return target

    def boots(self) -> None:
        """Lay out the live tree as the kernel would after a start with the present file."""
        from bpu.board.fdt import Node, parse

        def lay(node: Node, path: str) -> None:
            for name, value in node.properties.items():
                self.file(f"{path}/{name}", value)
            for child in node.children:
                lay(child, f"{path}/{child.name}")

        lay(parse(self.tree.read_bytes()).root, "proc/device-tree")

    def pool_used(self, heap: str, rows: list[tuple[str, int, int]]) -> None:
        """A heap's table in debugfs: client, pid, bytes."""
        lines = [f"{'client':>16} {'pid':>16} {'size':>16}", "-" * 52]
        lines += [f"{client:>16} {pid:>16} {size:>16}" for client, pid, size in rows]
        self.file(f"sys/kernel/debug/ion/heaps/{heap}", "\n".join(lines) + "\n")


def reg(address: int, size: int) -> bytes:
    return struct.pack(">QQ", address, size)
