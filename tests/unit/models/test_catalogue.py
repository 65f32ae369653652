"""The catalogue: every row is whole, honest and agrees with what its file's name tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpu.console.profiles import PROFILES
from bpu.models.catalogue import Row, catalogue, find, need_of
from bpu.models.names import can_run, read_name
from bpu.models.spec import from_settings
from bpu.settings import Settings
from tests.support import sdks

each = pytest.mark.parametrize("row", catalogue(), ids=lambda row: row.id)


def test_names_are_there_once() -> None:
    ids = [row.id for row in catalogue()]
    assert len(ids) == len(set(ids)) >= 20


@each
def test_a_row_names_its_source_and_is_marked_as_not_run(row: Row) -> None:
    assert row.source
    assert row.checked == "no"


@each
def test_what_is_pulled_has_an_address_and_a_checksum_and_a_console(row: Row) -> None:
    if not row.pull:
        assert row.why
        return
    assert row.console in PROFILES
    assert row.file
    assert row.hbm
    assert not row.why
    for file in row.file:
        assert file.url.startswith("https://")
        assert file.sha256 or file.md5 or row.md5sums
    assert row.archive or row.hbm in {file.name for file in row.file}


@each
def test_a_row_says_what_the_name_of_its_file_says(row: Row) -> None:
    facts = read_name(row.hbm)
    assert facts.context in (None, row.context)
    assert all(can_run(facts.board, board) for board in row.boards)
    assert set(row.speed) <= set(row.boards)


def test_the_need_of_a_model_is_its_entrys_the_catalogues_or_its_files(tmp_path: Path) -> None:
    name = "Qwen3-8B_language_chunk_512_cache_4096_w4_nash-p_corenum_4_4.hbm"
    known = need_of(from_settings(Settings(hbm_path=tmp_path / name)))
    assert known is not None
    assert (known.total, known.largest, known.source) == (9_417_129_984, 5_703_561_320, "catalogue")
    assert need_of(from_settings(Settings(hbm_path=tmp_path / "mine_1024.hbm"))) is None
    mine = sdks.model(tmp_path / "mine_1024.hbm", 3 << 20)
    own = need_of(from_settings(Settings(hbm_path=mine)))
    assert own is not None
    assert (own.total, own.source) == (3 << 20, "file")


def test_an_id_is_found() -> None:
    row = find("minicpm5-2b-s100p")
    assert row is not None
    assert (row.boards, row.bytes, row.archive) == (("S100P",), 2_270_216_392, True)
    assert find("nothing") is None
