"""`pull` as a person types it, against a board in a folder and a mirror on this machine."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import http.server
import io
import os
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from bpu.models.catalogue import File, Row
from bpu.models.table import load_table
from bpu.settings import load_settings
from tests.support import sdks
from tests.unit.board.device import Board
from tests.unit.models.machine import bpu, make_board, make_home

MINICPM5 = "minicpm5-2b_ctx4096_s100.hbm"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_home(tmp_path, monkeypatch)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return make_board(tmp_path)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that is served, and its address."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(10)


def pack_archive(folder: Path, **files: bytes) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return raw.getvalue()


def row(**fields: object) -> Row:
    base: dict[str, object] = {
        "id": "tiny", "name": "Tiny", "boards": ["S100"], "sdk": "S100 1.0.0", "console": "oellm_multichat",
        "context": 4096, "licence": "MIT", "licence_of": "file", "hbm": MINICPM5, "tokenizer": "archive",
        "source": "a test", "checked": "no", "pull": True, "thinking": "off", "archive": True,
    }  # fmt: skip
    return Row.model_validate({**base, **fields})


def archive_row(mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, data: bytes, **fields: object) -> None:
    (mirror[0] / "z").mkdir(exist_ok=True)
    (mirror[0] / "z" / "tiny.tar.gz").write_bytes(data)
    sha = hashlib.sha256(data).hexdigest()
    file = {"url": "https://vendor.example/z/tiny.tar.gz", "bytes": len(data), "sha256": sha}
    made = row(**{"file": [file], **fields})
    monkeypatch.setattr("bpu.cli.pull.find", lambda name: made if name == made.id else None)


GOOD = {f"tiny/{MINICPM5}": b"h" * 2000, "tiny/tokenizer/simple-chat.jinja": sdks.MINICPM5.encode(),
        "tiny/tokenizer/tokenizer.json": b"{}"}  # fmt: skip


def pull(board: Board, mirror: tuple[Path, str], *words: str, **env: str) -> Result:
    return bpu("pull", "tiny", "--sysfs", str(board.root), *words, BPU_MODEL_MIRROR=mirror[1], **env)


def test_a_model_is_downloaded_unpacked_entered_and_examined(
    home: Path, board: Board, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = sdks.s100(home)
    archive_row(mirror, monkeypatch, pack_archive(home, **GOOD))
    done = pull(board, mirror, "--runtime-dir", str(runtime))
    assert done.exit_code == 0, done.output
    folder = home / "state" / "bpu" / "models" / "tiny"
    assert "Checked by us: no" in done.output
    assert "Its SHA-256 is the one in the catalogue" in done.output
    assert f"Complete: {folder}/tiny/{MINICPM5}" in done.output
    assert "What the board says about it" in done.output
    assert "systemctl reload" in done.output
    assert {path.name for path in folder.iterdir()} == {"tiny"}
    [model] = load_table(load_settings()).models
    assert (model.id, model.profile, model.thinking) == ("tiny", "oellm_multichat", "off")
    assert model.template == folder / "tiny" / "tokenizer" / "simple-chat.jinja"
    again = pull(board, mirror)
    assert again.exit_code == 2
    assert "has a model tiny already" in again.output


def test_a_file_is_checked_by_the_vendors_list(
    home: Path, board: Board, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"h" * 3000
    (mirror[0] / "m").mkdir()
    (mirror[0] / "m" / "x_1024.hbm").write_bytes(data)
    listing = mirror[0] / "m" / "md5sum.txt"
    made = row(
        archive=False, hbm="x_1024.hbm", thinking=None, context=1024,
        file=[File(url="https://vendor.example/m/x_1024.hbm").model_dump()],
        md5sums="https://vendor.example/m/md5sum.txt",
    )  # fmt: skip
    monkeypatch.setattr("bpu.cli.pull.find", lambda name: made)
    assert "No checksum of x_1024.hbm could be had" in pull(board, mirror).output
    listing.write_text(f"{'0' * 32}  x_1024.hbm\n")
    assert "the MD5 of the file is not" in pull(board, mirror).output
    listing.write_text(f"{hashlib.md5(data).hexdigest()}  x_1024.hbm\n")
    done = pull(board, mirror)
    assert done.exit_code == 0, done.output
    assert "that proves the transfer alone" in done.output


def test_what_is_refused_before_anything_is_downloaded(
    home: Path, board: Board, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pack_archive(home, **GOOD)
    archive_row(mirror, monkeypatch, data)
    assert "BPU_MODEL_OFFLINE is set" in pull(board, mirror, BPU_MODEL_OFFLINE="1").output
    archive_row(mirror, monkeypatch, data, boards=["S600"])
    assert "is made for S600, and this board is an S100" in pull(board, mirror).output
    archive_row(mirror, monkeypatch, data, pull=False, why="guessed_name")
    assert "is not downloaded: the name of one of its files was seen in no source" in pull(board, mirror).output
    assert bpu("pull", "nothing").exit_code == 2
    archive_row(mirror, monkeypatch, data)
    usage = shutil.disk_usage(home)._replace(free=300 << 20)
    archive_row(mirror, monkeypatch, data, file=[{"url": "https://v.example/z", "bytes": 1 << 30, "sha256": "0" * 64}])
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    assert "needs 2.5 GB more" in pull(board, mirror).output
    assert not list((home / "state").rglob("*.part"))
    assert load_table(load_settings()).path is None


def test_more_than_the_published_size_is_not_downloaded(
    home: Path, board: Board, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (mirror[0] / "x_1024.hbm").write_bytes(b"h" * (4 << 20))
    file = {"url": "https://vendor.example/x_1024.hbm", "bytes": 3000, "sha256": "0" * 64}
    made = row(archive=False, hbm="x_1024.hbm", thinking=None, context=1024, file=[file])
    monkeypatch.setattr("bpu.cli.pull.find", lambda name: made)
    refused = pull(board, mirror)
    assert refused.exit_code == 3
    assert "more than the 1051876 that it may have" in refused.output


def test_without_a_checksum_the_published_size_decides(
    home: Path, board: Board, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (mirror[0] / "x_1024.hbm").write_bytes(b"h" * 3000)
    for size, code in ((3001, 3), (3000, 0)):
        file = {"url": "https://vendor.example/x_1024.hbm", "bytes": size}
        made = row(archive=False, hbm="x_1024.hbm", thinking=None, context=1024, file=[file])
        monkeypatch.setattr("bpu.cli.pull.find", lambda name, made=made: made)
        assert "No checksum" in pull(board, mirror).output
        done = pull(board, mirror, "--unchecked")
        assert done.exit_code == code, done.output
        assert ("its source names 3001" if code else "nothing was checked") in done.output


def test_two_downloads_never_write_into_one_folder(
    home: Path, board: Board, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_row(mirror, monkeypatch, pack_archive(home, **GOOD))
    folder = home / "state" / "bpu" / "models" / "tiny"
    folder.mkdir(parents=True)
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    busy = pull(board, mirror)
    os.close(descriptor)
    assert busy.exit_code == 3
    assert "Another process downloads into" in busy.output
    assert not list(folder.iterdir())
    assert pull(board, mirror).exit_code == 0


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"../../../evil": b"x", MINICPM5: b"h"}, "leads out of the folder"),
        ({MINICPM5: b"\0" * (80 << 20)}, "holds more than"),
        ({"other.hbm": b"h"}, f"does not hold {MINICPM5}"),
    ],
)
def test_an_archive_that_is_evil_leaves_nothing_and_no_entry(
    home: Path,
    board: Board,
    mirror: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, bytes],
    said: str,
) -> None:
    archive_row(mirror, monkeypatch, pack_archive(home, **files))
    done = pull(board, mirror)
    assert done.exit_code == 3
    assert said in done.output
    assert "Traceback" not in done.output
    assert not list(home.rglob("evil"))
    assert not list(home.rglob(".unpacking"))
    assert load_table(load_settings()).path is None


def test_nothing_is_downloaded_for_a_table_that_cannot_be_written(
    home: Path, board: Board, mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_row(mirror, monkeypatch, pack_archive(home, **GOOD))
    (home / "table").mkdir()
    table = home / "table" / "models.toml"
    table.write_text('[[model]]\nid = "a"\n')
    access = os.access
    monkeypatch.setattr("os.access", lambda path, mode: (Path(path), mode) != (table, os.W_OK) and access(path, mode))
    done = pull(board, mirror, BPU_MODELS_FILE=str(table))
    assert done.exit_code == 2
    assert "cannot be written" in done.output
    assert not (home / "state").exists()
