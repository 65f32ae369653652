"""What the board's memory looks like now and at the next start, and what somebody wishes it to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bpu.board.errors import BoardError, InvalidPoolRequest
from bpu.board.fdt import live_tree, parse
from bpu.board.modes import MODES, Mode, mode
from bpu.board.pools import ALIGNMENT, Plan, plan
from bpu.board.regions import MemoryMap, Span, read_map, read_ram
from bpu.board.sizes import parse_size

LIVE_TREE = "proc/device-tree"
VENDOR_SWITCH = "usr/hobot/bin/hb_switch_ion.sh"


@dataclass(frozen=True)
class Layout:
    """`model` is what the board calls itself; `tree` the file that the map was read from."""

    model: str
    memory: MemoryMap
    tree: Path


@dataclass(frozen=True)
class PoolRequest:
    """Bytes by the name of the pool; `name` is a mode's, or "" for sizes of one's own; `source` a mode's source."""

    name: str
    sizes: Mapping[str, int]
    source: str = ""


def board_model(root: Path = Path("/")) -> str:
    """What the board calls itself, as `D-Robotics RDK S100 V1P1`; "" where the kernel has no device tree."""
    try:
        return (root / LIVE_TREE / "model").read_bytes().split(b"\0")[0].decode("utf-8", "replace").strip()
    except OSError:
        return ""


def is_board(root: Path = Path("/")) -> bool:
    """Whether the running system calls itself an RDK board, by its device tree."""
    model = board_model(root).lower()
    return "d-robotics" in model or "rdk" in model


def live_map(root: Path = Path("/")) -> MemoryMap | None:
    """The memory as this kernel was started with; None where it does not tell."""
    try:
        return read_map(live_tree(root / LIVE_TREE))
    except (BoardError, OSError):
        return None


def next_layout(tree_file: Path, root: Path = Path("/")) -> Layout:
    """The memory as `tree_file` describes it for the next start. Raises `BoardError`.

    Boot loaders fill in how much RAM there is: the running system knows better than the file, if it is the same board.
    """
    try:
        tree = parse(tree_file.read_bytes())
    except OSError as error:
        raise BoardError("ion.unreadable", path=tree_file, reason=error.strerror or error) from None
    model = tree.root.text("model")
    memory = read_map(tree, ram=_live_ram(root) if board_model(root) == model else ())
    if not memory.ram:
        raise BoardError("ion.no_ram", path=tree_file)
    if not memory.pools:
        raise BoardError("ion.no_pools", path=tree_file)
    return Layout(model, memory, tree_file)


def _live_ram(root: Path) -> tuple[Span, ...]:
    try:
        tree = live_tree(root / LIVE_TREE)
    except (BoardError, OSError):
        return ()
    return read_ram(tree)


def parse_request(words: Sequence[str], model: str) -> PoolRequest:
    """`bpu_first`, `carveout=2304M ion_cma=512M`, or a mode with sizes that replace some of its own."""
    name, rest = (words[0], words[1:]) if words and words[0] in MODES else ("", words)
    chosen = mode(model, name) if name else Mode({}, "")
    sizes = dict(chosen.sizes)
    for word in rest:
        pool, equals, size = word.partition("=")
        if not equals:
            raise InvalidPoolRequest("ion.bad_request", word=word, modes=", ".join(MODES))
        sizes[pool] = parse_size(size)
    if not sizes:
        raise InvalidPoolRequest("ion.bad_request", word="", modes=", ".join(MODES))
    return PoolRequest(name if not rest else "", sizes, chosen.source)


def plan_for(layout: Layout, request: PoolRequest) -> Plan:
    """Raises `BoardError` when there is no room, or a pool that is not there."""
    return plan(layout.memory, request.sizes, alignment=ALIGNMENT)


def vendor_switch(root: Path, boot_dir: Path) -> Path | None:
    """The vendor's own script, which changes the system's own /boot and no other."""
    script = root / VENDOR_SWITCH
    return script if script.is_file() and boot_dir.resolve() == (root / "boot").resolve() else None
