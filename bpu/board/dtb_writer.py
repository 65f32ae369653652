"""Writes a planned device tree and restores the original.

The file is always the old or the new one, whole. `fdtput` writes, `dtc` reads the result back, and the file is replaced
only after every node and property was compared.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bpu.board import tools
from bpu.board.errors import BoardError
from bpu.board.fdt import Node, Tree, parse
from bpu.board.files import Backup, Files, checksum
from bpu.board.pools import Plan, faults
from bpu.board.regions import MemoryMap, Pool, read_map, split

TOOL_TIMEOUT_S = 30
#: How the names of the temporary files end.
_ENDS = (".new", ".check")
#: Path of a node and name of a property.
Place = tuple[str, str]


@dataclass(frozen=True)
class Written:
    """The result of a change.

    The file, its backup, whether that is new, and the new file's SHA-256.
    """

    tree: Path
    copy: Path
    copy_is_new: bool
    sha256: str


class DtbWriter:
    """Changes one `.dtb` file; runs in the command `ion`."""

    def __init__(self, tree: Path, *, files: Files | None = None, run: Callable[..., tools.Result] = tools.run) -> None:
        self._tree = tree
        self._files = files or Files()
        self._run = run
        self.copy = Backup(tree, self._files)
        # With the process's own names: a killed run may leave an `fdtput` that still writes, by name.
        self._new, self._check = (tree.with_name(f".{tree.name}.{os.getpid()}{end}") for end in _ENDS)

    def apply(self, plan: Plan) -> Written:
        """Write `plan`.

        After `BoardError`, `ToolMissing` or OSError the file is the old or the new one, whole.
        """
        original = self._files.read(self._tree)
        with self._remove_leftovers():
            made = self.copy.make(original)
            result = self._write_new_tree(original, plan)
            self._files.swap(self._new, self._tree)
        if self._files.read(self._tree) != result:
            raise BoardError("ion.written_differs", path=self._tree)
        return Written(self._tree, self.copy.path, made, checksum(result))

    def restore(self) -> Written:
        """Restore the backup byte by byte; the backup stays."""
        data = self.copy.read()
        parse(data)
        with self._remove_leftovers():
            self._files.put(self._tree, data, via=self._new)
        return Written(self._tree, self.copy.path, False, checksum(data))

    def _write_new_tree(self, original: bytes, plan: Plan) -> bytes:
        self._files.write(self._new, original, self._tree.stat().st_mode & 0o777)
        wanted = changed_properties(plan)
        for (node, name), value in wanted.items():
            cells = [f"{cell:x}" for cell in _cells(value)]
            self._run_tool("fdtput", "-t", "x", self._new, node, name, *cells)
        self._files.sync(self._new)
        # dtc parses the result too, so that a fault of our own parser cannot hide a wrong tree.
        self._run_tool("dtc", "-q", "-I", "dtb", "-O", "dtb", "-o", self._check, self._new)
        self._verify(parse(original), parse(self._files.read(self._check)), plan, wanted)
        return self._files.read(self._new)

    def _verify(self, before: Tree, after: Tree, plan: Plan, wanted: Mapping[Place, bytes]) -> None:
        found = differences(before, after)
        if found != wanted:
            odd = sorted(f"{node}:{name}" for node, name in {*found} ^ {*wanted}) or ["reg"]
            raise BoardError("ion.unplanned_change", places=", ".join(odd))
        wrong = faults(read_map(after, ram=plan.after.ram))
        if wrong:
            raise BoardError("ion.bad_result", faults=" ".join(wrong))

    def _run_tool(self, *words: str | Path) -> None:
        result = self._run(words, timeout=TOOL_TIMEOUT_S)
        if not result.ok:
            raise BoardError("ion.tool_failed", program=words[0], reason=result.err.strip() or result.code)

    @contextlib.contextmanager
    def _remove_leftovers(self) -> Iterator[None]:
        """Delete the temporary files beside the tree at the end, also those of killed runs."""
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                for path in list(self._tree.parent.iterdir()):
                    pid = path.name.removeprefix(f".{self._tree.name}.").partition(".")[0]
                    if path.name in {f".{self._tree.name}.{pid}{end}" for end in _ENDS} and self._is_over(pid):
                        path.unlink(missing_ok=True)

    @staticmethod
    def _is_over(pid: str) -> bool:
        """Whether the run of a process is over; this one's is at its end."""
        return pid.isdecimal() and (int(pid) == os.getpid() or not Path(f"/proc/{pid}").exists())


def changed_properties(plan: Plan) -> dict[Place, bytes]:
    """Return the properties that a plan changes, with their new bytes."""
    return {
        (f"/reserved-memory/{new.node}", "reg"): reg_bytes(new, plan.after) for old, new in plan.changes if old != new
    }


def reg_bytes(pool: Pool, memory: MemoryMap) -> bytes:
    """Return the pool's `reg` property in the cell sizes of its device tree."""
    cells = split(pool.span.start, memory.address_cells) + split(pool.span.size, memory.size_cells)
    return b"".join(cell.to_bytes(4, "big") for cell in cells)


def differences(before: Tree, after: Tree) -> dict[Place, bytes]:
    """Return the new or changed properties of `after`.

    Removed or reordered ones have the value b"missing".
    """
    found = _node_differences(before.root, after.root, "")
    if before.reservations != after.reservations:
        found["/", "/memreserve/"] = b"missing"
    return found


def _node_differences(before: Node, after: Node, path: str) -> dict[Place, bytes]:
    old, new = before.properties, after.properties
    here = path or "/"
    found: dict[Place, bytes] = {(here, name): b"missing" for name in old if name not in new}
    found.update({(here, name): value for name, value in new.items() if old.get(name) != value})
    names = [child.name for child in before.children]
    if names != [child.name for child in after.children]:
        found[here, "children"] = b"missing"
        return found
    for one, other in zip(before.children, after.children, strict=True):
        found.update(_node_differences(one, other, f"{path}/{one.name}"))
    return found


def _cells(value: bytes) -> list[int]:
    return [int.from_bytes(value[i : i + 4], "big") for i in range(0, len(value), 4)]
