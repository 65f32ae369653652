"""Describes the board's memory layout now and at the next start.

It also parses requests for another layout.
"""

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
from bpu.messages import os_reason
from bpu.models.names import WITHOUT_CONSOLE, Board, board_of

LIVE_TREE = "proc/device-tree"
BOARD_NUMBER = "sys/class/boardinfo/adc_boardid"
#: The upper bytes of the S100P's numbers; the S100's are 0x6A and 0x6B.
_S100P_NUMBERS = (0x64, 0x65)
VENDOR_SWITCH = "usr/hobot/bin/hb_switch_ion.sh"


@dataclass(frozen=True)
class Layout:
    """A memory map, with its source.

    It has the board's model name and the device tree file that it was read from.
    """

    model: str
    memory: MemoryMap
    tree: Path


@dataclass(frozen=True)
class PoolRequest:
    """Requested bytes by pool.

    `name` is a mode's, or "" for explicit sizes; `source` is the mode's source.
    """

    name: str
    sizes: Mapping[str, int]
    source: str = ""


def board_model(root: Path = Path("/")) -> str:
    """Return the model in the device tree, as `D-Robotics RDK S100 V1P1`.

    It is "" without a device tree.
    """
    try:
        return (root / LIVE_TREE / "model").read_bytes().split(b"\0")[0].decode("utf-8", "replace").strip()
    except OSError:
        return ""


def is_board(root: Path = Path("/")) -> bool:
    """Whether the running system is an RDK board whose BPU may run a console.

    The device tree says so.
    """
    model = board_model(root).lower()
    return ("d-robotics" in model or "rdk" in model) and known_board(root) not in WITHOUT_CONSOLE


def known_board(root: Path = Path("/")) -> Board | None:
    """Return which board the running system is; None for an unknown one.

    Some versions of the S100P start with the S100's device tree, so the vendor's number of the board decides.
    """
    found = board_of(board_model(root))
    return "S100P" if found == "S100" and _board_number(root) >> 8 in _S100P_NUMBERS else found


def _board_number(root: Path) -> int:
    """Return the number in the vendor's driver, as 0x6A84; 0 if there is none."""
    try:
        return int((root / BOARD_NUMBER).read_text(encoding="ascii"), 16)
    except (OSError, ValueError):
        return 0


def live_map(root: Path = Path("/")) -> MemoryMap | None:
    """Return the memory map that this kernel was started with; None if it shows none."""
    try:
        return read_map(live_tree(root / LIVE_TREE))
    except (BoardError, OSError):
        return None


def next_layout(tree_file: Path, root: Path = Path("/")) -> Layout:
    """Return the memory that `tree_file` describes for the next start. Raises `BoardError`.

    The RAM is that of the running system if it is the same board, because boot loaders fill in its size.
    """
    try:
        tree = parse(tree_file.read_bytes())
    except OSError as error:
        raise BoardError("ion.unreadable", path=tree_file, reason=os_reason(error)) from None
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
    """Parse a request for pool sizes.

    `bpu_first`, `carveout=2304M ion_cma=512M`, or a mode followed by sizes that replace some of its own.
    """
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
    """Plan the requested pools.

    Raises `BoardError` if there is no room or a pool does not exist.
    """
    return plan(layout.memory, request.sizes, alignment=ALIGNMENT)


def vendor_switch(root: Path, boot_dir: Path) -> Path | None:
    """Return the vendor's script, which changes only the running system's /boot; None for another folder."""
    script = root / VENDOR_SWITCH
    return script if script.is_file() and boot_dir.resolve() == (root / "boot").resolve() else None
