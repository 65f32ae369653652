"""Which console is started, with which files, options and environment; mistakes are reported together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bpu.console.profiles import PROFILES
from bpu.engine.client.launch_config import (
    build_launch_spec,
    build_launch_table,
    choose_files,
    chosen_model,
    line_limit,
    served_names,
    unusable,
)
from bpu.engine.launch_spec import LaunchSpec
from bpu.errors import SettingsError
from bpu.models.spec import ModelSpec
from bpu.settings import Settings, load_settings
from tests.support import sdks

NO_BOARD = Path("/no/such/root")

pytestmark = pytest.mark.usefixtures("own_folders")


def test_auto_takes_the_processor_where_it_would_have_taken_the_simulator(cpu_packages: Path) -> None:
    files = choose_files(load_settings(engine="auto"), root=NO_BOARD)
    assert (files.cpu, files.simulated, files.model) == (True, False, cpu_packages)


def test_auto_takes_the_simulator_where_the_packages_are_missing(no_cpu_packages: None) -> None:
    files = choose_files(load_settings(engine="auto"), root=NO_BOARD)
    assert (files.cpu, files.simulated) == (False, True)


def test_neither_on_a_board_nor_where_a_path_was_named(cpu_packages: Path, tmp_path: Path) -> None:
    tree = tmp_path / "proc" / "device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_bytes(b"D-Robotics RDK S100 V1P1\0")
    with pytest.raises(SettingsError, match="BPU_RUNTIME_DIR"):
        choose_files(load_settings(engine="auto"), root=tmp_path)
    with pytest.raises(SettingsError, match="BPU_CONSOLE"):
        choose_files(load_settings(engine="auto", runtime_dir=tmp_path), root=NO_BOARD)


def test_a_table_is_of_the_board_and_keeps_auto_from_the_processor(cpu_packages: Path, tmp_path: Path) -> None:
    table = tmp_path / "models.toml"
    table.write_text('[[model]]\nid = "of-the-board"\nhbm = "x_1024.hbm"\n')
    with pytest.raises(SettingsError, match="of-the-board"):
        choose_files(load_settings(engine="auto", models_file=table), root=NO_BOARD)
    [launch] = build_launch_table(load_settings(engine="cpu", models_file=table)).launches
    assert (launch.cpu, launch.model) == (True, "tiny-chat:1k")
    assert launch.owns_lock
    assert launch.need_bytes == 0, "it takes no memory of the BPU"


def test_the_simulator_is_still_to_be_had_by_its_name(cpu_packages: Path) -> None:
    assert choose_files(load_settings(engine="simulator")).simulated


def entry(folder: Path, text: str, **settings: Any) -> tuple[Settings, ModelSpec]:
    """The settings of a table with one entry, and its model."""
    table = folder / "models.toml"
    table.write_text(f'[[model]]\nid = "m"\n{text}\n')
    loaded = load_settings(engine="console", models_file=table, **settings)
    return loaded, chosen_model(loaded)


def s600(folder: Path, **settings: Any) -> LaunchSpec:
    runtime = sdks.s600(folder)
    hbm = sdks.model(folder / "Qwen3-4B_language_chunk_512_cache_4096_w4_nash-p_corenum_4_4.hbm")
    loaded, model = entry(folder, f'runtime_dir = "{runtime}"\nhbm = "{hbm}"', **settings)
    return build_launch_spec(loaded, model)


def test_a_program_that_reads_options_gets_them_on_its_command_line(tmp_path: Path) -> None:
    runtime, hbm = sdks.s100(tmp_path), sdks.model(tmp_path / f"{sdks.R1}_4096.hbm")
    loaded, model = entry(
        tmp_path, f'runtime_dir = "{runtime}"\nhbm = "{hbm}"\nconsole = "example/oellm_run/oellm_run"\nargs = ["-x"]'
    )
    launch = build_launch_spec(loaded, model)
    assert (launch.profile, launch.files, launch.cwd) == ("oellm_run", {}, str(runtime))
    assert launch.argv[0] == str(runtime / "example" / "oellm_run" / "oellm_run")
    assert launch.argv[-1] == "-x"
    options = dict(zip(launch.argv[1:-1:2], launch.argv[2::2], strict=False))
    assert options["--hbm_path"] == str(hbm)
    assert options["--tokenizer_dir"].startswith(str(runtime / "config"))
    assert Path(options["--template_path"]).suffix == ".jinja"
    assert options["--model_type"].isdecimal()


@pytest.mark.parametrize(("continue_", "keeps"), [("always", True), ("never", False)])
def test_a_program_that_reads_a_file_gets_it_in_the_state_folder(tmp_path: Path, continue_: str, keeps: bool) -> None:
    launch = s600(tmp_path, continue_=continue_)
    assert launch.argv[1:] == ("-c", str(tmp_path / "state" / "llm.json"))
    written = json.loads(launch.files[launch.argv[2]])
    assert written["enable_multi_turn"] is keeps
    assert written["bpu_core"] == [0, 1, 2, 3]
    assert Path(written["hbm_path"]).is_file()


def test_what_the_program_adds_around_a_line_is_kept_free_of_its_context(tmp_path: Path) -> None:
    assert s600(tmp_path).context == 4096 - 32


def test_the_console_s_environment_has_what_it_needs_and_no_setting_of_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BPU_API_KEYS", "secret")
    monkeypatch.setenv("SOMETHING_ELSE", "secret")
    monkeypatch.setenv("HB_DNN_LOG_LEVEL", "3")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/of/the/user")
    env = s600(tmp_path).env
    assert env["HB_DNN_LOG_LEVEL"] == "3"
    assert env["HB_DNN_USER_DEFINED_L2M_SIZES"] == "6:6:6:6"
    assert [Path(one).name for one in env["LD_LIBRARY_PATH"].split(":")] == ["lib", "user"]
    assert "secret" not in env.values()


def test_every_file_that_is_missing_is_named_with_the_way_out(tmp_path: Path) -> None:
    loaded, model = entry(tmp_path, 'runtime_dir = "/no/sdk"\nhbm = "/no/x_1024.hbm"')
    with pytest.raises(SettingsError) as caught:
        choose_files(loaded, model)
    assert "/no/x_1024.hbm" in caught.value.message
    assert "/no/sdk" in caught.value.message
    assert "simulator" in caught.value.message
    assert unusable(loaded, model) == caught.value.message


def test_a_model_that_cannot_be_started_is_left_out_of_the_table_unless_it_is_the_default(tmp_path: Path) -> None:
    runtime, hbm = sdks.s100(tmp_path), sdks.model(tmp_path / f"{sdks.R1}_4096.hbm")
    good = f'[[model]]\nid = "good"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"\n'
    bad = '[[model]]\nid = "bad"\nhbm = "/no/x_1024.hbm"\n'
    table = tmp_path / "models.toml"
    table.write_text(f'default = "good"\n{good}{bad}')
    made = build_launch_table(load_settings(engine="console", models_file=table))
    assert ([launch.model for launch in made.launches], made.default) == (["good"], "good")
    assert served_names(load_settings(engine="console", models_file=table)) == ["good", "bad"]
    table.write_text(f'default = "bad"\n{good}{bad}')
    with pytest.raises(SettingsError, match=r"x_1024\.hbm"):
        build_launch_table(load_settings(engine="console", models_file=table))


def test_a_table_names_the_versions_before_it_and_not_itself(tmp_path: Path) -> None:
    first = build_launch_table(load_settings(engine="simulator", state_dir=tmp_path))
    second = build_launch_table(load_settings(engine="simulator", state_dir=tmp_path, model_id="other"))
    again = build_launch_table(load_settings(engine="simulator", state_dir=tmp_path))
    assert (first.previous, second.previous) == ((), (first.fingerprint,))
    assert (again.fingerprint, again.previous) == (first.fingerprint, (second.fingerprint,))


@pytest.mark.parametrize(("value", "limit"), [(0, 0), (77, 77), (None, PROFILES["xlm_demo"].line_limit)])
def test_the_limit_of_a_line_is_the_set_one_else_the_console_s(
    tmp_path: Path, value: int | None, limit: int | None
) -> None:
    settings = load_settings(engine="simulator", state_dir=tmp_path, line_limit=value)
    assert line_limit(settings, build_launch_spec(settings)) == limit
