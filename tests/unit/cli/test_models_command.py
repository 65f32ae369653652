"""`models` as a person types it, against a board in a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bpu.models.table import load_table
from bpu.settings import load_settings
from tests.support import sdks
from tests.support.gguf_files import gguf, install_packages
from tests.unit.board.device import Board
from tests.unit.models.machine import bpu, make_board, make_home

MINICPM5 = "minicpm5-2b_ctx4096_s100.hbm"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_home(tmp_path, monkeypatch)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return make_board(tmp_path)


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
    assert "systemctl reload" in done.output
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
