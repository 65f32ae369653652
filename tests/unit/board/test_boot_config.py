"""`config.txt` of the boot loader: what is changed, what never is, and the way back, byte by byte."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bpu.board.boot_config import NAME, POOLS, BootConfig, config_file, sizes, with_sizes, without_changes
from bpu.board.errors import BoardError
from bpu.board.files import Files
from bpu.board.modes import S100
from bpu.board.sizes import MIB

LARGE = b"ion=ion_cma_size=0x40000000\nion=ion_reserved_size=0xf0000000\nion=ion_carveout_size=0xf0000000\n"
OURS = re.compile(rb"[ \t]*ion[^=\s]*[ \t]*=[ \t]*ion_(?:cma|reserved|carveout)_size[ \t]*=")

#: Lines as people, other tools and other systems leave them.
LINES = st.sampled_from(
    [
        *(
            b"",
            b"#",
            b"# ion=ion_cma_size=0x1",
            b"#ion=ion_cma_size=0x1",
            b"bootargs=quiet",
            b"fdt-enable=/a;",
            b"\r",
            b"  ",
        ),
        *(b"ion=ion_cma_size=0x20000000", b"ion=ion_cma_size=0x20000000\r", b" ion = ion_reserved_size = 1073741824 "),
        *(
            b"ion=ion_carveout_size=much",
            b"ion=ion_carveout_size=",
            b"ion=ion_other_size=0x1",
            b"ion",
            b"ion=",
            b"ion=x",
        ),
        *(b"ion2=ion_carveout_size=0XF0000000", b"\xff\xfe", b"\xe4\xbd\xa0=\xe5\xa5\xbd", b"\0", b"x" * 3000),
    ]
)
TEXTS = st.lists(LINES | st.binary(max_size=40), max_size=12).map(b"\n".join)
WISHES = st.dictionaries(
    st.sampled_from(POOLS), st.integers(1, 1 << 32).map(lambda n: n * 4 * MIB // MIB or 1), min_size=1
)


def others(data: bytes) -> list[bytes]:
    """The lines that belong to no pool; whether the last one is ended is not their concern."""
    return [line for line in data.split(b"\n") if not OURS.match(line)]


@given(TEXTS, WISHES)
@example(b"", {"ion_cma": 1 << 30})
@example(b"ion=ion_cma_size=0x1\r\nion=ion_cma_size=0x2", {"ion_cma": 3})
def test_requested_sizes_are_what_the_boot_loader_reads_and_no_other_line_changes(
    text: bytes, sizes_wanted: dict[str, int]
) -> None:
    after = with_sizes(text, sizes_wanted)
    assert {pool: size for pool, size in sizes(after).items() if pool in sizes_wanted} == sizes_wanted
    assert {pool: size for pool, size in sizes(after).items() if pool not in sizes_wanted} == {
        pool: size for pool, size in sizes(text).items() if pool not in sizes_wanted
    }
    assert [line for line in others(after) if line] == [line for line in others(text) if line]
    assert after.endswith(b"\n")
    assert with_sizes(after, sizes_wanted) == after


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(TEXTS, st.lists(WISHES, min_size=1, max_size=3))
def test_apply_any_times_then_restore_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, text: bytes, requests: list[dict[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("boot") / NAME
    path.write_bytes(text)
    config = BootConfig(path)
    for sizes_wanted in requests:
        config.apply(sizes_wanted)
    assert not config.restore().kept_others
    assert path.read_bytes() == text
    assert [one.name for one in path.parent.iterdir()] == [NAME]


@given(TEXTS, TEXTS)
def test_what_another_has_changed_since_stays(before: bytes, now: bytes) -> None:
    after = without_changes(now, before)
    assert [line for line in others(after) if line] == [line for line in others(now) if line]
    assert sizes(after) == sizes(before)


def test_the_vendors_lines_are_written_verbatim(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"")
    BootConfig(path).apply({pool: S100["bpu_large"].sizes[pool] for pool in POOLS})
    assert path.read_bytes() == LARGE
    assert sizes(LARGE) == S100["bpu_large"].sizes


def test_a_line_that_was_added_by_hand_survives_the_restore(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"bootargs=quiet\nion=ion_cma_size=0x10000000")
    config = BootConfig(path)
    config.apply({"ion_carveout": 1 << 30, "ion_cma": 1 << 30})
    path.write_bytes(path.read_bytes() + b"loglevel=7\n")
    assert config.restore().kept_others
    assert path.read_bytes() == b"bootargs=quiet\nion=ion_cma_size=0x10000000\nloglevel=7\n"


def test_a_copy_that_was_damaged_is_not_brought_back(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"a=b\n")
    config = BootConfig(path)
    saved = config.apply({"ion_cma": 1 << 30})
    saved.copy.write_bytes(b"a=c\n")
    now = path.read_bytes()
    for do in (config.restore, lambda: config.apply({"ion_cma": 1 << 29})):
        with pytest.raises(BoardError, match="does not have the checksum"):
            do()
    assert path.read_bytes() == now


class Failing(Files):
    """Fails at the `at`th operation on the disk."""

    def __init__(self, at: int) -> None:
        self._left = at

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise OSError("disk")

    def write(self, path: Path, data: bytes, mode: int) -> None:
        self._step()
        super().write(path, data, mode)

    def sync(self, path: Path) -> None:
        self._step()
        super().sync(path)

    def replace(self, old: Path, new: Path) -> None:
        self._step()
        super().replace(old, new)


@pytest.mark.parametrize("at", range(13))
def test_whatever_fails_the_file_is_the_old_or_the_new_one(tmp_path: Path, at: int) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"a=b")
    new = with_sizes(b"a=b", {"ion_cma": 1 << 30})
    try:
        BootConfig(path, Failing(at)).apply({"ion_cma": 1 << 30})
    except OSError:
        assert path.read_bytes() in (b"a=b", new)
    BootConfig(path).apply({"ion_cma": 1 << 30})
    assert path.read_bytes() == new
    BootConfig(path).restore()
    assert path.read_bytes() == b"a=b"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / NAME
    real.write_bytes(b"a=b\n")
    link.symlink_to(real)
    BootConfig(link).apply({"ion_cma": 1 << 30})
    assert link.is_symlink()
    assert sizes(real.read_bytes()) == {"ion_cma": 1 << 30}


@pytest.mark.parametrize(
    ("model", "there", "used"),
    [
        ("D-Robotics RDK S100 V1P1", True, True),
        ("D-Robotics RDK S100P V1P0", True, True),
        ("D-Robotics RDK S100 V1P1", False, False),
        ("D-Robotics RDK S600 MCB V1p0", True, False),
        ("", True, False),
    ],
)
def test_it_is_used_where_it_is_documented_and_there(tmp_path: Path, model: str, there: bool, used: bool) -> None:
    if there:
        (tmp_path / NAME).touch()
    assert (config_file(tmp_path, model) is not None) is used
