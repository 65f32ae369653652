"""Each newer console, started by the gateway as its SDK lays it out: configuration, libraries, cores, thinking."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.live.gateway import ROOT, Gateway, command, environment
from tests.support import sdks
from tests.support.ports import reserve_port
from tests.support.waits import until

pytestmark = pytest.mark.long  # minutes of processor time

Start = Callable[..., Gateway]
QWEN3 = "Qwen3-4B_language_chunk_512_cache_4096_w4_nash-p_corenum_4_4.hbm"
VISION = "Qwen3-VL-4B-Instruct"


def table(folder: Path, *entries: str) -> dict[str, str]:
    """The environment of a gateway whose models are `entries`, each the inside of a `[[model]]`."""
    path = folder / "models.toml"
    path.write_text("\n".join(f"[[model]]\n{entry}" for entry in entries))
    return {"BPU_MODELS_FILE": str(path), "BPU_ENGINE": "console", "BPU_CONSOLE_ARGS": ""}


def said(gateway: Gateway, model: str, text: str = "hello", **fields: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    answer = gateway.json("POST", "/v1/chat/completions", body)
    assert "choices" in answer, answer
    return dict(answer["choices"][0]["message"])


def configuration(gateway: Gateway, profile: str) -> dict[str, Any]:
    return dict(json.loads((gateway.state_dir / f"{profile}.json").read_text()))


@pytest.mark.parametrize("profile", ["llm", "vlm", "oellm_multichat", "oellm_run", "hobot_xlm"])
def test_the_simulator_stands_for_each_console_without_any_file(start: Start, profile: str) -> None:
    gateway = start(env={"BPU_CONSOLE_PROFILE": profile})
    assert gateway.engine()["profile"] == profile
    assert "simulator" in said(gateway, "deepseek-r1:1.5b")["content"]


def test_llm_gets_its_whole_configuration_and_its_model_opens_the_thinking(start: Start, tmp_path: Path) -> None:
    runtime = sdks.s600(tmp_path)
    hbm = sdks.model(runtime / "model" / "Qwen3_4B" / QWEN3)
    gateway = start(env=table(tmp_path, f'id = "qwen3-4b"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"'))
    message = said(gateway, "qwen3-4b")
    assert message["reasoning_content"]
    assert "think" not in message["content"]
    assert "simulator" in message["content"]
    assert configuration(gateway, "llm") == {
        "hbm_path": str(hbm),
        "tokenizer_dir": f"{runtime}/configs/Qwen3_config/",
        "bpu_core": [0, 1, 2, 3],
        "model_type": 9,
        "enable_thinking": True,
        "enable_multi_turn": False,
    }
    [entry, _] = gateway.json("GET", "/v1/models")["data"]
    assert (entry["id"], entry["context_length"]) == ("qwen3-4b", 4096 - 32)
    # Only the console itself can have measured these two.
    engine = gateway.engine()
    assert engine["profile"] == "llm"


def test_llm_answers_without_thinking_where_the_entry_closes_it(start: Start, tmp_path: Path) -> None:
    runtime = sdks.s600(tmp_path)
    hbm = sdks.model(runtime / "model" / QWEN3)
    entry = f'id = "qwen3-4b"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"\nthinking = "off"'
    gateway = start(env=table(tmp_path, entry))
    message = said(gateway, "qwen3-4b")
    assert not message.get("reasoning_content")
    assert "simulator" in message["content"]
    assert configuration(gateway, "llm")["enable_thinking"] is False


def test_cores_that_the_model_was_not_compiled_for_fail_at_the_first_prompt(tmp_path: Path, start: Start) -> None:
    """The file's name decides how many cores are given: with another name the simulator refuses as the library does."""
    runtime = sdks.s600(tmp_path)
    two = sdks.model(runtime / "model" / QWEN3.replace("corenum_4_4", "corenum_2_2"))
    gateway = start(env=table(tmp_path, f'id = "two"\nruntime_dir = "{runtime}"\nhbm = "{two}"'))
    assert said(gateway, "two")["content"]
    assert configuration(gateway, "llm")["bpu_core"] == [0, 1]


def test_memory_of_the_cores_that_a_person_sets_is_kept(start: Start, tmp_path: Path) -> None:
    runtime = sdks.s600(tmp_path)
    hbm = sdks.model(runtime / "model" / QWEN3)
    entry = f'id = "m"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"\nenv = {{ HB_DNN_USER_DEFINED_L2M_SIZES = "0:0:0:0" }}'
    gateway = start(env=table(tmp_path, entry))
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    status, _, answer = gateway.request("POST", "/v1/chat/completions", body)
    assert status >= 500
    assert json.loads(answer)["error"]["code"] == "engine_crashed"


def test_vlm_gets_the_keys_of_its_image_model_and_answers_text(start: Start, tmp_path: Path) -> None:
    runtime = sdks.s600(tmp_path)
    folder = runtime / "model" / VISION
    hbm = sdks.model(folder / f"{VISION}_language_chunk_512_cache_1024_w4_nash-p_corenum_4_4.hbm")
    sdks.model(folder / f"{VISION}_vision_448x448_w8-4_nash-p_corenum_4.hbm")
    sdks.model(folder / f"{VISION}_embed_tokens_w4_fp16.bin")
    gateway = start(env=table(tmp_path, f'id = "qwen3-vl-4b"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"\nvision = true'))
    assert "simulator" in said(gateway, "qwen3-vl-4b")["content"]
    config = configuration(gateway, "vlm")
    assert config["model_type"] == "Qwen3-VL"
    assert (config["embed_dim"], config["temporal_patch_size"], config["patch_size"]) == (2560, 2, 16)
    assert config["vit_model_file"] == f"{VISION}_vision_448x448_w8-4_nash-p_corenum_4.hbm"
    assert config["vocabulary_path"] == f"{runtime}/configs/Qwen3_VL_config"
    assert " -c " in command_of_console(gateway)


@pytest.mark.parametrize(
    ("name", "number", "thinks"),
    [(f"{sdks.R1}_4096.hbm", 1, True), ("Qwen2.5_1.5B_Instruct_1024.hbm", 7, False)],
)
def test_multichat_starts_each_family_with_its_number_and_template(
    start: Start, tmp_path: Path, name: str, number: int, thinks: bool
) -> None:
    runtime = sdks.s100(tmp_path)
    hbm = sdks.model(runtime / "model" / name)
    gateway = start(env=table(tmp_path, f'id = "m"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"'))
    message = said(gateway, "m")
    assert bool(message.get("reasoning_content")) is thinks
    assert "simulator" in message["content"]
    config = configuration(gateway, "oellm_multichat")
    assert config["model_type"] == number
    assert config["template_path"].startswith(f"{runtime}/config/")


def test_minicpm5_is_closed_by_its_own_template_and_has_no_tags(start: Start, tmp_path: Path) -> None:
    runtime = sdks.s100(tmp_path)
    hbm = sdks.minicpm5(tmp_path)
    gateway = start(env=table(tmp_path, f'id = "minicpm5"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"'))
    message = said(gateway, "minicpm5")
    assert not message.get("reasoning_content")
    assert "simulator" in message["content"]
    config = configuration(gateway, "oellm_multichat")
    assert config["model_type"] == 1
    assert config["template_path"].endswith("/tokenizer/simple-chat.jinja")


def test_internlm_runs_on_oellm_run_alone_and_without_a_template(start: Start, tmp_path: Path) -> None:
    runtime = sdks.s100(tmp_path)
    hbm = sdks.model(runtime / "model" / "InternLM2_1.8B_1024.hbm")
    entry = f'id = "m"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"\n'
    refused = not_started(tmp_path, table(tmp_path, f'{entry}profile = "oellm_multichat"'))
    assert "`oellm_multichat` refuses model type 4" in refused
    gateway = start(env=table(tmp_path, f'{entry}profile = "oellm_run"'))
    assert "simulator" in said(gateway, "m")["content"]
    words = command_of_console(gateway)
    assert "--model_type 4" in words
    assert "--template_path" not in words


def test_an_sdk_with_its_own_server_is_named_and_not_started(tmp_path: Path) -> None:
    runtime = sdks.s600(tmp_path)
    (runtime / "lib" / "liboellm_runtime.so").touch()
    hbm = sdks.model(runtime / "model" / QWEN3)
    refused = not_started(tmp_path, table(tmp_path, f'id = "m"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"'))
    assert "OELLM 2.x" in refused
    assert "own server" in refused


def test_a_context_that_nothing_tells_is_asked_for(tmp_path: Path) -> None:
    runtime = sdks.s100(tmp_path)
    hbm = sdks.model(runtime / "model" / f"{sdks.R1}.hbm")
    refused = not_started(tmp_path, table(tmp_path, f'id = "m"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"'))
    assert "Nothing says how many tokens of context" in refused
    assert "BPU_CONTEXT_SIZE" in refused


def test_every_mistake_of_the_table_stops_the_start_with_its_line(tmp_path: Path) -> None:
    refused = not_started(tmp_path, table(tmp_path, 'id = "a"\nhbmm = "x"', 'context = "long"'))
    assert "models.toml:3: there is no key `hbmm`" in refused
    assert "models.toml:4: `id` is missing" in refused
    assert "models.toml:5: `context` must be a whole number" in refused


def command_of_console(gateway: Gateway) -> str:
    """The command line of the running console, which may be replaced at any moment, as after an examination."""
    return " ".join(until(lambda: next(filter(None, map(command, gateway.consoles())), None)))


def not_started(folder: Path, env: dict[str, str]) -> str:
    """What a gateway says that does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
        cwd=ROOT,
        env=environment(reserve_port(), folder / "state", 1, {**env, "LC_ALL": "C.UTF-8"}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_slip_in_the_table_does_not_end_what_runs_and_a_right_one_counts_after_a_reload(
    start: Start, tmp_path: Path
) -> None:
    runtime = sdks.s100(tmp_path)
    hbm = sdks.model(runtime / "model" / f"{sdks.R1}_4096.hbm")
    entry = f'id = "one"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"'
    gateway = start(workers=2, env=table(tmp_path, entry))
    (tmp_path / "models.toml").write_text(f"[[model]]\n{entry}\nhbmm = 3\n")
    gateway.send_signal(signal.SIGHUP)
    until(lambda: "models.toml:5: there is no key `hbmm`" in gateway.log)
    assert "keeps the one it has" in gateway.log
    until(lambda: gateway.state() == "ready", seconds=60)
    assert said(gateway, "one")["content"]
    # A worker that dies and is replaced does not read the broken file either.
    for worker in gateway.workers():
        worker.kill()
    until(lambda: gateway.state() == "ready" and len(gateway.workers()) == 2, seconds=60)
    assert said(gateway, "one")["content"]
    table(tmp_path, entry.replace('"one"', '"two"'))
    gateway.send_signal(signal.SIGHUP)
    until(lambda: names(gateway) == {"two", "two-think"}, seconds=60)
    until(lambda: gateway.state() == "ready", seconds=60)
    assert said(gateway, "two")["content"]


def names(gateway: Gateway) -> set[str]:
    """The models that are listed; none while the worker that was asked is being replaced."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return {entry["id"] for entry in gateway.json("GET", "/v1/models")["data"]}
    return set()


def test_the_list_says_which_model_is_loaded(start: Start, tmp_path: Path) -> None:
    runtime = sdks.s100(tmp_path)
    hbm = sdks.model(runtime / "model" / f"{sdks.R1}_4096.hbm")
    one = f'id = "one"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"'
    env = table(tmp_path, one, one.replace("one", "two"))
    gateway = start(env=env)
    done = subprocess.run(
        [sys.executable, "-m", "bpu", "models", "list", "--json"],
        cwd=ROOT,
        env=environment(gateway.port, gateway.state_dir, 1, env),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    states = {row["id"]: row["state"] for row in json.loads(done.stdout)["models"]}
    assert states == {"one": "loaded", "two": "unknown"}
