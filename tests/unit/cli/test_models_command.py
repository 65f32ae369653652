"""`models` and `pull` as a person types them, against a board in a folder and a mirror on this machine."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import http.server
import io
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bpu.cli import main
from bpu.models.catalogue import File, Row
from bpu.models.table import load_table
from bpu.settings import load_settings
from tests.support import sdks
from tests.support.gguf_files import gguf, install_packages
from tests.unit.board.device import Board

MINICPM5 = "minicpm5-2b_ctx4096_s100.hbm"


def bpu(*words: str, **env: str) -> Result:
    return CliRunner().invoke(main, list(words), env={"LC_ALL": "C.UTF-8", **env})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose table and data lie in `tmp_path`, without a keeper."""
    monkeypatch.setenv("BPU_DATA_DIR", str(tmp_path / "state" / "bpu"))
    monkeypatch.setenv("BPU_STATE_DIR", str(tmp_path / "run"))
    # Below a file there is no folder, so nothing can be made there.
    (tmp_path / "file").touch()
    monkeypatch.setattr("bpu.models.table.SYSTEM_FILE", tmp_path / "file" / "models.toml")
    return tmp_path


@pytest.fixture
def board(tmp_path: Path) -> Board:
    made = Board(tmp_path / "board")
    made.boots()
    made.file("proc/meminfo", "MemTotal: 10000000 kB\nMemAvailable: 8000000 kB\n")
    return made


def listed(board: Board, **env: str) -> dict[str, dict[str, object]]:
    done = bpu("models", "list", "--json", "--sysfs", str(board.root), **env)
    assert done.exit_code == 0, done.output
    return {row["id"]: row for row in json.loads(done.stdout)["models"]}


def test_each_model_of_the_table_says_how_it_is(home: Path, board: Board) -> None:
    runtime = sdks.s100(home)
    s600 = sdks.s600(home)
    small = sdks.model(runtime / "model" / f"{sdks.R1}_1024.hbm", 500 << 20)
    big = sdks.model(runtime / "model" / "Qwen2.5_7B_Instruct_1024.hbm", 7_928_646_448)
    foreign = sdks.model(home / "Qwen3-4B_language_chunk_512_cache_4096_w4_nash-p_corenum_4_4.hbm")
    minicpm5 = sdks.minicpm5(home)
    huge = sdks.model(runtime / "model" / "Qwen2.5_70B_Instruct_1024.hbm", 70 << 30)
    table = home / "models.toml"
    rows = [("small", small), ("big", big), ("minicpm5", minicpm5), ("huge", huge)]
    table.write_text(
        "".join(f'[[model]]\nid = "{name}"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"\n' for name, hbm in rows)
        + f'[[model]]\nid = "gone"\nruntime_dir = "{runtime}"\nhbm = "/no/such_1024.hbm"\n'
        + f'[[model]]\nid = "foreign"\nruntime_dir = "{s600}"\nhbm = "{foreign}"\n'
        + f'[[model]]\nid = "told"\nruntime_dir = "{runtime}"\nhbm = "{small}"\nmemory_mb = 3000\n'
    )
    found = listed(board, BPU_MODELS_FILE=str(table))
    assert {name: row["state"] for name, row in found.items()} == {
        "small": "too_large", "big": "too_large", "minicpm5": "too_large", "huge": "too_large",
        "gone": "missing", "foreign": "refused", "told": "too_large",
    } | {"small": "perhaps"}  # the catalogue's 1.7 GB, of 2 GiB in three pools  # fmt: skip
    assert found["big"]["said"] == "may load after `ion apply bpu_large` and a restart (7.38 GiB)"
    assert found["minicpm5"]["said"] == "fits after `ion apply bpu_large` and a restart (2.7 GiB)"
    assert found["huge"]["said"] == "never fits this board (70 GiB)"
    assert "is made for the S600, and this board is an S100" in str(found["foreign"]["said"])
    assert "/no/such_1024.hbm" in str(found["gone"]["said"])
    doctor = bpu("doctor", "--sysfs", str(board.root), BPU_MODELS_FILE=str(table)).output
    assert "huge: never fits this board" in doctor
    assert "minicpm5: fits after `ion apply bpu_large`" in doctor


def test_without_a_table_the_settings_are_listed(home: Path) -> None:
    shown = bpu("models", BPU_ENGINE="console").output
    assert "There is no table of models" in shown
    assert "* deepseek-r1:1.5b         files are missing:" in shown
    assert "One model is in memory at a time" in shown


def test_what_answers_in_place_of_a_console_is_named(home: Path, board: Board) -> None:
    assert listed(board, BPU_ENGINE="simulator")["deepseek-r1:1.5b"]["state"] == "simulator"
    shown = bpu("models", BPU_ENGINE="simulator").output
    assert "the simulator answers, which is no model" in shown
    assert "are missing" not in shown


def test_the_processors_model_is_listed_where_it_is_served(
    home: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_packages(home / "site", monkeypatch)
    found = listed(board, BPU_ENGINE="cpu", BPU_GGUF=str(gguf(home / "tiny.gguf")))
    assert [one["state"] for one in found.values()] == ["cpu"]


def test_what_runs_on_this_board_is_listed_with_its_source_of_doubt(board: Board) -> None:
    shown = bpu("models", "available", "--sysfs", str(board.root)).output
    assert "minicpm5-2b-s100 " in shown
    assert "can be pulled" in shown
    assert "qwen3-4b" not in shown
    assert "None of these was run by this project" in shown
    assert "qwen3-4b" in bpu("models", "available", "--all", "--sysfs", str(board.root)).output
    rows = json.loads(bpu("models", "available", "--all", "--json").stdout)
    assert all(row["checked"] == "no" and row["source"] for row in rows)


def test_a_board_without_a_console_is_named_and_gets_no_model(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an RDK X5 no advice leads to an SDK, to pools or to a model that cannot run there."""
    monkeypatch.setattr("bpu.engine.client.cpu_settings.is_available", lambda settings: False)
    root = tmp_path / "x5"
    for path, text in {"proc/device-tree/model": "D-Robotics RDK X5 V1.0\0", "boot/config.txt": ""}.items():
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text)
    said = bpu("doctor", "--sysfs", str(root)).output
    assert "RDK X5 V1.0: no console program of a language model" in said
    assert "BPU_ENGINE=cpu" in said

    assert "Unpack the SDK" not in said
    assert "ion show" not in said
    listed = bpu("models", "available", "--sysfs", str(root)).output
    assert "runs on the X5" in listed
    assert "can be pulled" not in listed
    refused = bpu("pull", "qwen3-4b", "--sysfs", str(root))
    assert (refused.exit_code, "cannot run here" in refused.output) == (2, True)


def test_the_vendors_number_tells_an_s100p_that_starts_with_the_s100s_tree(board: Board) -> None:
    def listed() -> str:
        return bpu("models", "available", "--sysfs", str(board.root)).output

    board.file("sys/class/boardinfo/adc_boardid", "0x6A84\n")
    assert "minicpm5-2b-s100 " in listed()
    board.file("sys/class/boardinfo/adc_boardid", "0x6486\n")
    assert "minicpm5-2b-s100p " in listed()
    board.file("sys/class/boardinfo/adc_boardid", "(null)\n")
    assert "minicpm5-2b-s100 " in listed()


def test_add_writes_an_entry_and_keeps_what_stands_there(home: Path) -> None:
    runtime = sdks.s100(home)
    hbm = sdks.minicpm5(home)
    table = home / "models.toml"
    begin = '# mine\r\n[[model]]\r\nid = "a" # first\r\n'
    table.write_bytes(begin.encode())
    words = ("models", "add", str(hbm.parent), "--id", "cpm", "--runtime-dir", str(runtime))
    dry = bpu(*words, "--dry-run", BPU_MODELS_FILE=str(table))
    assert 'id = "cpm"' in dry.output
    assert table.read_bytes() == begin.encode()
    done = bpu(*words, BPU_MODELS_FILE=str(table))
    assert done.exit_code == 0, done.output
    assert f"written to {table}" in done.output
    assert "The default is still a" in done.output
    assert table.read_bytes().startswith(begin.encode())
    model = load_table(load_settings(models_file=str(table))).find("cpm")
    assert model is not None
    assert (model.hbm, model.runtime_dir, model.profile) == (hbm, runtime, "oellm_multichat")
    assert model.tokenizer_dir == hbm.parent / "tokenizer"
    again = bpu(*words, BPU_MODELS_FILE=str(table))
    assert again.exit_code == 2
    assert "the name `cpm` is taken" in again.output


def test_add_makes_a_table_that_goes_on_with_the_present_model(home: Path) -> None:
    runtime = sdks.s100(home)
    present = sdks.model(runtime / "model" / f"{sdks.R1}_1024.hbm")
    hbm = sdks.minicpm5(home)
    done = bpu("models", "add", str(hbm.parent), BPU_RUNTIME_DIR=str(runtime), BPU_HBM_PATH=str(present))
    assert done.exit_code == 0, done.output
    table = load_table(load_settings(runtime_dir=str(runtime), hbm_path=str(present)))
    assert table.path == home / "state" / "bpu" / "models.toml"
    assert [model.id for model in table.models] == ["deepseek-r1:1.5b", "minicpm5-2b_ctx4096_s100"]
    assert table.default_model.hbm == present


def test_a_folder_must_hold_one_model(home: Path) -> None:
    (home / "empty").mkdir()
    assert "holds 0" in bpu("models", "add", str(home / "empty")).output
    for name in ("a_1024.hbm", "b_1024.hbm"):
        sdks.model(home / "two" / name)
    assert "holds 2: a_1024.hbm, b_1024.hbm" in bpu("models", "add", str(home / "two")).output


# pull


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


def test_doctor_says_why_a_console_would_refuse_the_model(home: Path, board: Board) -> None:
    runtime = sdks.s600(home)
    hbm = sdks.model(home / "Qwen3-4B_language_chunk_512_cache_4096_w4_nash-p_corenum_4_4.hbm", 2 << 20)
    env = {"BPU_RUNTIME_DIR": str(runtime), "BPU_HBM_PATH": str(hbm)}
    done = bpu("doctor", "--sysfs", str(board.root), **env)
    assert done.exit_code == 2
    assert "is made for the S600, and this board is an S100: it cannot run here" in done.output
    silent = sdks.model(home / "mine.hbm", 2 << 20)
    done = bpu("doctor", "--sysfs", str(board.root), **{**env, "BPU_HBM_PATH": str(silent)})
    assert "Nothing says how many tokens of context mine.hbm has" in done.output


def test_a_name_that_is_no_text_is_a_sentence(home: Path) -> None:
    runtime = sdks.s100(home)
    folder = Path(os.fsdecode(os.fsencode(home) + b"/odd\xff"))
    sdks.model(folder / "a_1024.hbm")
    done = bpu("models", "add", str(folder), "--runtime-dir", str(runtime))
    assert done.exit_code == 2
    assert "is not UTF-8, which a table must be" in done.output


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
