"""`doctor`: calm on a machine without a board, one screen, JSON, saved logs and real turns."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bpu.cli import main
from bpu.engine.client.launch_config import build_launch_spec
from bpu.engine.console_examination import Findings
from bpu.engine.console_record import ConsoleRecord
from bpu.engine.file_locks import try_lock
from bpu.settings import load_settings
from tests.unit.board.device import Board


def doctor(*words: str, lang: str = "C.UTF-8") -> Result:
    return CliRunner().invoke(main, ["doctor", *words], env={"LC_ALL": lang})


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPU_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BPU_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("BPU_BIND", "127.0.0.1:1")
    monkeypatch.setenv("BPU_ENGINE", "simulator")


def test_it_is_calm_without_a_board() -> None:
    shown = doctor()
    assert shown.exit_code in (0, 1), shown.output
    assert "This machine is no D-Robotics board." in shown.output
    assert "The simulator answers here" in shown.output
    assert "Traceback" not in shown.output
    # One screen, and no word about what only a board has.
    assert len(shown.output.splitlines()) < 24
    assert "/dev" not in shown.output


def test_json_holds_every_finding() -> None:
    shown = doctor("--json")
    report = json.loads(shown.output)
    assert report["exit_code"] == shown.exit_code
    assert {one["check"] for one in report["findings"]} >= {"board", "system", "engine", "ram", "port"}
    assert all(set(one) == {"check", "level", "said", "remedy", "facts"} for one in report["findings"])


def test_a_board_without_the_sdk_is_broken_and_gets_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPU_ENGINE", "console")
    board = Board(tmp_path / "board")
    board.boots()
    shown = doctor("--sysfs", str(board.root))
    assert shown.exit_code == 2
    assert "D-Robotics RDK S100 V1P1" in shown.output
    assert "> Unpack the SDK" in shown.output
    assert "It cannot work like this" in shown.output


def test_chinese_is_spoken() -> None:
    shown = doctor(lang="zh_CN.UTF-8")
    assert "这台机器不是" in shown.output
    assert "+ 系统 " in shown.output


@pytest.mark.parametrize(("text", "code", "words"), [
    ("xx\n[HBRT] Cannot malloc bpu memory with length 1 bytes\n", 2, "no contiguous memory"),
    ("all is well\n", 0, "no fault that is known"),
])  # fmt: skip
def test_a_saved_log_is_read(tmp_path: Path, text: str, code: int, words: str) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(text.encode() + b"\xff\xfe")
    shown = doctor("--log", str(log))
    assert shown.exit_code == code
    assert words in shown.output


def test_a_log_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    assert doctor("--log", str(tmp_path / "none")).exit_code == 2


def probe(monkeypatch: pytest.MonkeyPatch, arguments: str, context: int = 1400) -> dict[str, str]:
    """Real turns on the simulator; the words of each finding of the probe."""
    monkeypatch.setenv("BPU_ENGINE", "simulator")
    monkeypatch.setenv("BPU_CONSOLE_ARGS", f"--speed max --decode-rate 140 {arguments}")
    monkeypatch.setenv("BPU_CONTEXT_SIZE", str(context))
    report = json.loads(doctor("--probe", "--json").output)
    return {one["said"]: one["level"] for one in report["findings"] if one["check"] == "probe"}


def test_a_probe_measures_and_records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = probe(monkeypatch, "")
    assert [words.split()[0] for words in said] == ["Model", "First", "The", "A"]
    assert "The console keeps a conversation, and reset empties its memory." in said
    assert "A line of 4000 bytes is taken whole" in said
    record = json.loads(next((tmp_path / "data").glob("console-*.json")).read_text())
    assert set(record["probe"]) >= {"load_s", "first_s", "tokens_per_second", "reset_forgets", "longest_line"}
    assert record["probe"]["longest_line"] == 4000
    assert (record["retains_history"], record["reset_works"]) == (True, True)


def test_a_reset_that_forgets_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = probe(monkeypatch, "--reset broken")
    assert [level for words, level in said.items() if "reset forgets nothing" in words] == ["warning"]
    record = json.loads(next((tmp_path / "data").glob("console-*.json")).read_text())
    assert (record["retains_history"], record["reset_works"]) == (True, False)


def test_a_console_that_cannot_load_is_reported_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    said = probe(monkeypatch, "--fault no-memory@load")
    assert list(said.values()) == ["broken"]
    assert "no contiguous memory" in next(iter(said))
    assert "连续内存" in doctor("--probe", lang="zh_CN.UTF-8").output


def test_a_model_that_is_loaded_already_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    lease = try_lock(tmp_path / "state" / "simulator.lock", create=True)
    assert lease is not None
    try:
        said = probe(monkeypatch, "")
    finally:
        lease.close()
    assert "A model is loaded already" in next(iter(said))
    assert list(said.values()) == ["warning"]


def reported_findings(*words: str) -> str:
    """What `doctor` says of the console's examination."""
    report = json.loads(doctor(*words, "--json").output)
    return "\n".join(one["said"] for one in report["findings"] if one["check"] == "record")


def remedy_of_record() -> str:
    report = json.loads(doctor("--json").output)
    return str(next(one["remedy"] for one in report["findings"] if one["check"] == "record"))


def test_doctor_shows_findings_with_their_date_and_folder_and_drops_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BPU_ENGINE", "simulator")
    assert "not been examined yet" in reported_findings()
    record = ConsoleRecord(build_launch_spec(load_settings()), clock=lambda: 1_700_000_000.0)
    record.save(Findings(retains_history=True, reset_works=True))
    said = reported_findings()
    assert "history kept, reset works" in said
    assert time.strftime("%Y-%m-%d", time.localtime(1_700_000_000)) in said
    assert str(tmp_path / "data") in said
    assert "1 records" in reported_findings("--forget")
    assert not record.exists
    assert "not been examined yet" in reported_findings()


def test_the_way_to_examine_a_console_works_with_and_without_a_gateway(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BPU_ENGINE", "simulator")
    ConsoleRecord(build_launch_spec(load_settings())).begin_try()
    assert remedy_of_record().endswith("doctor --probe"), "`examine` needs a gateway"
    status = {"examination": None, "turn_end": {"by": None}}
    monkeypatch.setattr("bpu.cli._record.existing_state_dirs", lambda settings: [tmp_path])
    monkeypatch.setattr("bpu.cli._keeper.status", lambda folder: status)
    assert remedy_of_record().endswith("examine"), "`doctor --probe` needs the BPU for itself"


def test_doctor_tells_tries_without_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPU_ENGINE", "simulator")
    ConsoleRecord(build_launch_spec(load_settings())).begin_try()
    assert "Examined 1 times without a result" in reported_findings()


def test_what_the_settings_decide_is_not_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small model never passes the examination of a console whose `reset` the settings call good."""
    monkeypatch.setenv("BPU_RESET", "command")
    monkeypatch.setenv("BPU_CONTINUE", "always")
    ConsoleRecord(build_launch_spec(load_settings())).begin_try()
    assert "history kept, reset works" in reported_findings()
    assert "restarts the console" not in reported_findings()
    monkeypatch.setenv("BPU_RESET", "restart")
    assert "reset is not used" in reported_findings()
    monkeypatch.setenv("BPU_RESET", "command")
    ConsoleRecord(build_launch_spec(load_settings())).save(Findings(retains_history=True, reset_works=False))
    assert "forgets nothing" in reported_findings(), "a person must see that the settings contradict the facts"


def test_a_try_that_still_runs_is_no_try_without_a_result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BPU_ENGINE", "simulator")
    ConsoleRecord(build_launch_spec(load_settings())).begin_try()
    examination = {"answers": 2, "of": 4, "rest_s": 5.4}
    status = {"examination": examination, "turn_end": {"by": None, "silence_s": 0.25}}
    monkeypatch.setattr("bpu.cli._record.existing_state_dirs", lambda settings: [tmp_path])
    monkeypatch.setattr("bpu.cli._keeper.status", lambda folder: status)
    said = reported_findings()
    assert "2 of 4 answers, about 5 s left" in said
    assert "without a result" not in said


def test_a_look_makes_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BPU_ENGINE", "simulator")
    doctor()
    assert not (tmp_path / "state").exists()
    assert not (tmp_path / "data").exists()
