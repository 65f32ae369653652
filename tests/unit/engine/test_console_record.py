"""Tests which records apply to which console, and how its code is read from the running process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bpu.engine.console_examination import Findings
from bpu.engine.console_record import Code, CodeReader, ConsoleRecord, identity, read_record
from bpu.engine.launch_spec import LaunchSpec
from tests.support.waits import until
from tests.unit.engine.rig import launch

FOUND = Findings(retains_history=True, reset_works=True)


def record_of(settings: LaunchSpec, code: Code = (), **options: Any) -> ConsoleRecord:
    return ConsoleRecord(settings, code_of=lambda launch, pid: code, **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    record = record_of(launch(tmp_path))
    record.save(FOUND)
    assert record_of(launch(tmp_path)).findings == FOUND
    return record.path


def test_a_record_that_others_may_write_does_not_count(tmp_path: Path, path: Path) -> None:
    # The group of a user's own has no other member; root's may.
    for mode in (*([0o660] if os.geteuid() == 0 else []), 0o606, 0o666):
        path.chmod(mode)
        assert record_of(launch(tmp_path)).findings == Findings(), oct(mode)
    path.chmod(0o640)
    assert record_of(launch(tmp_path)).findings == FOUND


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_record_of_another_user_does_not_count(tmp_path: Path, path: Path) -> None:
    os.chown(path, 12345, 12345)
    assert record_of(launch(tmp_path)).findings == Findings()


def test_a_record_in_a_folder_that_others_may_write_does_not_count(tmp_path: Path, path: Path) -> None:
    assert read_record(path) is not None
    path.parent.chmod(0o777)
    assert read_record(path) is None
    path.parent.chmod(0o700)
    assert read_record(path) is not None


def test_a_link_does_not_count_and_is_not_written_through(tmp_path: Path, path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    record = record_of(launch(tmp_path))
    assert record.findings == Findings()
    record.begin_try()
    assert elsewhere.read_bytes() == before
    assert not path.is_symlink()


def test_a_pipe_in_its_place_does_not_block(tmp_path: Path, path: Path) -> None:
    path.unlink()
    os.mkfifo(path)
    assert read_record(path) is None


@pytest.mark.parametrize(
    "change",
    [
        {"reset_works": 1},
        {"reset_works": "true"},
        {"retains_history": False},
        {"retains_history": 1},
        {"tries": -1},
        {"tries": True},
        {"tries": 1.5},
        {"found_at": "now"},
        {"found_at": 10**400},
        {"found_at": float("nan")},
        {"found_at": -1},
        {"probe": []},
        {"code": {}},
        {"code": [["/x", 1, 2]]},
        {"code": [["/x", 1, 2, True]]},
        {"identity": []},
        {"identity": None},
    ],
)
def test_a_record_of_other_types_does_not_count(tmp_path: Path, path: Path, change: dict[str, Any]) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert record_of(launch(tmp_path)).findings == Findings()


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, "{}"])
def test_a_record_that_is_none_does_not_count(tmp_path: Path, path: Path, text: str) -> None:
    path.write_text(text)
    record = record_of(launch(tmp_path))
    assert (record.findings, record.longest_line(10238)) == (Findings(), 10238)


def test_a_full_disk_costs_one_warning_and_keeps_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    record = record_of(launch(tmp_path), warn=warnings.append)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for _ in range(3):
        record.begin_try()
    record.save(FOUND)
    record.identify(os.getpid())
    assert (record.findings, record.tries, len(warnings)) == (FOUND, 3, 1)
    assert "No space left" in warnings[0]
    assert list((tmp_path / "data").iterdir()) == []


def test_what_makes_another_console(tmp_path: Path) -> None:
    model, template, folder = tmp_path / "model.hbm", tmp_path / "chat.jinja", tmp_path / "tokenizer"
    folder.mkdir()
    mebibyte = 1 << 20
    model.write_bytes(bytes(4 * mebibyte))
    template.write_text("{{ messages }}")
    for name in ("tokenizer.json", "generation_config.json"):
        (folder / name).write_text("{}")
    paths = ("--hbm_path", str(model), "--tokenizer_dir", str(folder), "--template_path", str(template))

    def now(**changes: Any) -> list[str]:
        return identity(launch(tmp_path, **{"argv": ("console", *paths), **changes}))

    seen = [now()]
    assert now(cwd="/", state_dir="/elsewhere", env={"PATH": "/x"}) == seen[0], "no working directory counts"
    seen += [now(env={"HB_CORE": "1"}), now(profile="llm"), now(argv=("console", *paths, "--model_type", "1"))]
    (folder / "generation_config.json").write_text('{"top_k": 1}')
    seen.append(now())
    template.write_text("{{ messages | length }}")
    seen.append(now())
    for offset in (0, 4 * mebibyte - 1):
        times = model.stat()
        with model.open("r+b") as file:
            file.seek(offset)
            file.write(b"x")
        os.utime(model, ns=(times.st_atime_ns, times.st_mtime_ns))
        seen.append(now())
    os.utime(model, ns=(1, 1))
    seen.append(now())
    assert len({tuple(one) for one in seen}) == len(seen)


def test_a_configuration_counts_by_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "console.json"

    def now(text: str) -> list[str]:
        path.write_text(text)
        return identity(launch(tmp_path, argv=("console", "-c", str(path))))

    first = now('{"enable_multi_turn": false, "top_k": 1}')
    assert now('{"top_k": 1,   "enable_multi_turn": false}') == first
    assert now('{"top_k": 2, "enable_multi_turn": false}') != first


def test_the_image_console_is_another_one_with_another_model_file_in_its_folder(tmp_path: Path) -> None:
    def now(folder: str) -> list[str]:
        keys = ("llm_model_file", "vit_model_file", "embed_weight_file_path")
        text = json.dumps({"model_dir": folder, "temperature": 1, **{key: key for key in keys}})
        return identity(
            launch(
                tmp_path, argv=("vlm", "-c", "vlm.json"), cwd=str(tmp_path), files={str(tmp_path / "vlm.json"): text}
            )
        )

    folder = tmp_path / "a"
    folder.mkdir()
    seen = [now("a/")]
    for key in ("llm_model_file", "vit_model_file", "embed_weight_file_path"):
        (folder / key).write_text("model")
        seen.append(now("a/"))
    assert len({tuple(one) for one in seen}) == len(seen)
    folder.rename(tmp_path / "b")
    assert now("b/") == seen[-1]


def test_code_is_what_the_process_and_its_children_have_mapped(tmp_path: Path) -> None:
    program = tmp_path / "console"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f"#!/bin/sh\necho up\n{program} 60 &\nread line\nkill $!\n")
    wrapper.chmod(0o755)
    settings = launch(tmp_path, argv=(str(wrapper),))
    process = subprocess.Popen(
        [wrapper], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        until(lambda: "console" in names(settings, process.pid), what="the child has been mapped")
        first = CodeReader().code_of(settings, process.pid)
        assert "wrapper" in [file.name for file in first]
        assert not any(file.name.startswith("libc.") for file in first)
        with wrapper.open("a") as file:
            file.write("# another\n")
        assert CodeReader().code_of(settings, process.pid) != first
    finally:
        process.communicate(b"\n", timeout=10)


def names(settings: LaunchSpec, pid: int) -> list[str]:
    return [file.name for file in CodeReader().code_of(settings, pid)]
