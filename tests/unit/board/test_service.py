"""The units, and the steps that install and remove them; systemd accepts the units."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bpu.board import service, tools
from bpu.errors import BadRequest, EngineUnavailable, SettingsError

PROJECT = Path(__file__).parents[3]
HERE = service.Machine(project=Path("/srv/gateway"), python=Path("/srv/gateway/.venv/bin/python"), user="bpu")


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_a_unit_names_this_machine_s_folder_python_and_user() -> None:
    text = service.unit(service.GATEWAY, HERE)
    assert "/opt/" not in text
    assert "User=bpu" in lines(text)
    assert "WorkingDirectory=/srv/gateway" in lines(text)
    assert "ExecStart=/srv/gateway/.venv/bin/python -m bpu serve" in lines(text)
    assert "KillMode=mixed" in lines(text)


@pytest.mark.parametrize(("graceful_s", "stop_s"), [(0.0, 60), (30.0, 60), (300.0, 330)])
def test_systemd_waits_longer_than_the_gateway_needs_to_stop(graceful_s: float, stop_s: int) -> None:
    machine = service.Machine(project=PROJECT, python=Path(sys.executable), graceful_s=graceful_s)
    assert f"TimeoutStopSec={stop_s}" in lines(service.unit(service.GATEWAY, machine))


def test_a_folder_that_a_unit_cannot_name_is_refused() -> None:
    with pytest.raises(BadRequest, match="Move the folder"):
        service.unit(service.GATEWAY, service.Machine(project=Path("/srv/my gateway"), python=Path("/bin/python")))


def test_keys_in_the_settings_of_an_earlier_install_move_to_their_own_file(tmp_path: Path) -> None:
    file = tmp_path / "etc/bpu/bpu.env"
    file.parent.mkdir(parents=True)
    file.write_text("BPU_API_KEYS=old\nBPU_WORKERS=1\n")
    steps = service.installation(HERE, service.Values(keys=("old",)), performance=False, start=False, root=tmp_path)
    service.run_steps([step for step in steps if step.path is None or step.path.name != "keys"])
    assert file.read_text() == "BPU_WORKERS=1\nBPU_API_KEYS_FILE=/etc/bpu/keys\n"
    (keys,) = [step for step in steps if step.path == tmp_path / "etc/bpu/keys"]
    assert (keys.text, keys.mode, keys.owner) == ("old\n", 0o600, "bpu")


def test_settings_that_another_user_could_have_written_are_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bpu.env"
    file.write_text("BPU_CONSOLE=/home/other/program\n")
    file.chmod(0o666)
    monkeypatch.setattr(service, "ENV_FILE", file)
    with pytest.raises(SettingsError, match="can be written by other users"):
        service.installation(HERE, performance=False, start=False)


def test_a_packaged_unit_stays_and_gets_a_drop_in(tmp_path: Path) -> None:
    machine = service.Machine(
        project=service.PACKAGED_HOME, python=Path("/usr/bin/python3"), user="bpu", graceful_s=300
    )
    old = tmp_path / "etc/systemd/system" / service.GATEWAY
    old.parent.mkdir(parents=True)
    old.write_text("of a clone")
    service.run_steps(service.installation(machine, performance=False, start=False, root=tmp_path))
    assert not old.exists()
    drop_in = tmp_path / "etc/systemd/system/bpu-gateway.service.d/bpu.conf"
    assert {"[Service]", "User=bpu", "TimeoutStopSec=330"} <= set(lines(drop_in.read_text()))
    service.run_steps(service.removal(purge=False, root=tmp_path))
    assert not drop_in.parent.exists()


def test_the_order_of_systemctl_s_steps() -> None:
    steps = service.installation(HERE, performance=False, start=True)
    assert [step.argv for step in steps if step.argv] == [
        ("systemctl", "daemon-reload"),
        ("systemctl", "enable", "bpu-gateway.service"),
        ("systemctl", "restart", "bpu-gateway.service"),
    ]
    assert steps[-1].argv, "the files come first"


def test_a_step_that_fails_ends_it_with_the_program_s_words() -> None:
    def run(argv: Sequence[str], **options: Any) -> tools.Result:
        return tools.Result(1, "", "Unit is masked.\n")

    with pytest.raises(EngineUnavailable, match=r"systemctl daemon-reload failed: Unit is masked\."):
        service.run_steps([service.Step(argv=("systemctl", "daemon-reload"))], run=run)


def test_a_file_that_cannot_be_written_is_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineUnavailable, match="cannot be changed"):
        service.run_steps([service.Step(path=tmp_path / "file" / "unit", text="x")])


def test_the_service_waits_for_the_devices_and_not_for_the_network_and_keeps_what_it_knows() -> None:
    text = lines(service.unit(service.GATEWAY, HERE))
    assert "ExecStartPre=-+/usr/bin/udevadm settle --timeout=30" in text
    assert not any("network-online" in line for line in text)
    assert {"StateDirectory=bpu", "RuntimeDirectory=bpu"} <= set(text)
    assert not any(line.startswith(("Environment=", "EnvironmentFile=")) for line in text), (
        "one file, read in one place"
    )
