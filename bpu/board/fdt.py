"""Parses flattened device trees from a `.dtb` file or from the kernel's live tree.

It only reads; `dtc` and `fdtput` write, so that a fault here is never written to a boot partition.
The format is that of the Devicetree Specification, chapter 5 ("Flattened Devicetree (DTB) Format").
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bpu.board.errors import BoardError

MAGIC = 0xD00DFEED
_BEGIN, _END, _PROPERTY, _NOP, _FINISH = 1, 2, 3, 4, 9


@dataclass(frozen=True)
class Node:
    """One node of a tree.

    It has its name with the unit address, its properties as raw bytes, and its children in order.
    """

    name: str
    properties: Mapping[str, bytes] = field(default_factory=dict)
    children: tuple[Node, ...] = ()

    def child(self, name: str) -> Node | None:
        """Return the child called `name`, with or without its unit address."""
        return next((node for node in self.children if name in (node.name, node.name.partition("@")[0])), None)

    def text(self, name: str) -> str:
        """Return a string property, or the first string of a list.

        Return "" if it is missing.
        """
        return self.properties.get(name, b"").split(b"\0")[0].decode("utf-8", "replace")

    def cells(self, name: str) -> list[int]:
        """Return a property as big-endian 32-bit numbers."""
        data = self.properties.get(name, b"")
        return list(struct.unpack(f">{len(data) // 4}I", data[: len(data) // 4 * 4]))

    def number(self, name: str, default: int) -> int:
        """Return the first cell of the property `name`, `default` if it has none."""
        return next(iter(self.cells(name)), default)


@dataclass(frozen=True)
class Tree:
    """A whole tree. `reservations` are the (address, size) pairs that stand outside of all nodes."""

    root: Node
    reservations: tuple[tuple[int, int], ...] = ()


def parse(blob: bytes) -> Tree:
    """Parse the bytes of a `.dtb` file.

    Raises `BoardError` if they are not a complete, valid device tree.
    """
    try:
        return _parse(blob)
    except (struct.error, IndexError, ValueError, RecursionError) as error:
        raise BoardError("ion.not_a_tree", reason=str(error)) from None


def live_tree(folder: Path) -> Tree:
    """Read the memory nodes of the running kernel's device tree.

    Raises `BoardError` if there is none.
    """
    if not folder.is_dir():
        raise BoardError("ion.no_live_tree", path=folder)
    root = _live_node(folder, "", deep=False)
    children = [path for path in sorted(folder.iterdir()) if path.is_dir() and _of_memory(path.name)]
    nodes = tuple(_live_node(path, path.name, deep=True) for path in children)
    return Tree(Node("", root.properties, nodes))


def _of_memory(name: str) -> bool:
    return name.partition("@")[0] in ("memory", "reserved-memory")


def _live_node(folder: Path, name: str, *, deep: bool) -> Node:
    entries = sorted(folder.iterdir())
    properties = {path.name: _bytes(path) for path in entries if not path.is_dir()}
    children = tuple(_live_node(path, path.name, deep=True) for path in entries if path.is_dir()) if deep else ()
    return Node(name, properties, children)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _parse(blob: bytes) -> Tree:
    header = struct.unpack_from(">10I", blob)
    magic, total, structure, strings, reserved, version, oldest = header[:7]
    if magic != MAGIC:
        raise ValueError("it does not begin as a device tree does")
    if total > len(blob) or version < 16 or oldest > 17:
        raise ValueError("it is cut short, or its version is not known")
    walker = _Walker(blob[:total], structure, strings)
    return Tree(walker.tree(), tuple(_reservations(blob, reserved)))


def _reservations(blob: bytes, offset: int) -> Iterator[tuple[int, int]]:
    while True:
        base, size = struct.unpack_from(">QQ", blob, offset)
        if (base, size) == (0, 0):
            return
        yield base, size
        offset += 16


class _Walker:
    """Reads the structure block of a tree, token by token."""

    def __init__(self, blob: bytes, structure: int, strings: int) -> None:
        self._blob, self._at, self._strings = blob, structure, strings

    def tree(self) -> Node:
        if self._token() != _BEGIN:
            raise ValueError("it has no root")
        root = self._node()
        if self._token() != _FINISH:
            raise ValueError("it does not end where it should")
        return root

    def _token(self) -> int:
        while True:
            (token,) = struct.unpack_from(">I", self._blob, self._at)
            self._at += 4
            if token != _NOP:
                return int(token)

    def _node(self) -> Node:
        name = self._string(self._at)
        self._skip(len(name) + 1)
        properties: dict[str, bytes] = {}
        children: list[Node] = []
        while (token := self._token()) != _END:
            if token == _PROPERTY:
                key, value = self._property()
                properties[key] = value
            elif token == _BEGIN:
                children.append(self._node())
            else:
                raise ValueError(f"it holds an unknown token {token}")
        return Node(name.decode(), properties, tuple(children))

    def _property(self) -> tuple[str, bytes]:
        size, offset = struct.unpack_from(">II", self._blob, self._at)
        self._at += 8
        value = self._blob[self._at : self._at + size]
        if len(value) != size:
            raise ValueError("a property is cut short")
        self._skip(size)
        return self._string(self._strings + offset).decode(), value

    def _string(self, start: int) -> bytes:
        return self._blob[start : self._blob.index(b"\0", start)]

    def _skip(self, size: int) -> None:
        """Advance to the next multiple of four bytes, where a token begins."""
        self._at = (self._at + size + 3) // 4 * 4
