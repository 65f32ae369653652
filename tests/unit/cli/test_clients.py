"""Settings for other programs, in the form that each program reads."""

from __future__ import annotations

import base64
import json
import shlex
from pathlib import Path
from urllib.parse import unquote

import pytest

from bpu.cli import _clients
from tests.unit.cli.connecting import HERE, shown


@pytest.fixture(autouse=True)
def _simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPU_ENGINE", "simulator")
    monkeypatch.setattr("bpu.cli.connect.MODELS_LIMIT_S", 0.1)  # addresses at which nothing answers


def test_chatbox_s_link_is_its_json() -> None:
    link = _clients.chatbox_link(HERE)
    head, _, data = link.partition("?config=")
    assert head == "chatbox://provider/import"
    config = json.loads(base64.b64decode(unquote(data)))
    assert config["isCustom"] is True
    assert config["settings"]["apiHost"] == HERE.base
    assert config["settings"]["apiKey"] == "key-1"
    assert config["settings"]["models"][0]["modelId"] == HERE.model
    assert config["settings"]["models"][0]["contextWindow"] == 4096


def test_openclaw_s_part_is_json_with_the_small_form() -> None:
    config = json.loads(shown("openclaw", "--url", "http://board:8000/v1/"))
    provider = config["models"]["providers"]["bpu"]
    assert provider["baseUrl"] == "http://board:8000/v1"
    assert provider["models"][0]["compat"]["supportsTools"] is False
    assert config["agents"]["defaults"]["model"]["primary"] == f"bpu/{provider['models'][0]['id']}"


def test_each_model_is_marked_by_what_it_can_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = tmp_path / "models.toml"
    entries = {"opens": "model", "template": "template", "closed": "off", "cannot": "none"}
    text = "".join(f'[[model]]\nid = "{name}"\nthinking = "{how}"\n' for name, how in entries.items())
    table.write_text(f'{text}[[model]]\nid = "by-its-template"\n[[model]]\nid = "sees"\nprofile = "vlm"\n')
    monkeypatch.setenv("BPU_MODELS_FILE", str(table))
    config = json.loads(shown("openclaw", "--url", "http://board:8000"))
    models = {one["id"]: one for one in config["models"]["providers"]["bpu"]["models"]}
    reasons = {name: one["reasoning"] for name, one in models.items()}
    assert reasons == {
        "opens": True, "template": True, "closed": False, "cannot": False, "by-its-template": True, "sees": False
    }  # fmt: skip
    assert (models["opens"]["input"], models["sees"]["input"]) == (["text"], ["text", "image"])
    link = next(line for line in shown("chatbox", "--url", "http://board:8000").split() if "?config=" in line)
    data = json.loads(base64.b64decode(unquote(link.partition("?config=")[2])))
    capabilities = {one["modelId"]: one["capabilities"] for one in data["settings"]["models"]}
    assert {name: "reasoning" in found for name, found in capabilities.items()} == reasons
    assert capabilities["sees"] == ["tool_use", "vision"]


def test_xiaozhi_gets_its_camera_a_model_that_sees(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "VLLM" not in shown("xiaozhi", "--url", "http://board:8000")
    table = tmp_path / "models.toml"
    table.write_text('[[model]]\nid = "talks"\n[[model]]\nid = "sees"\nprofile = "vlm"\n')
    monkeypatch.setenv("BPU_MODELS_FILE", str(table))
    text = shown("xiaozhi", "--url", "http://board:8000", "--key", "k-1")
    first, _, second = text.partition("\nVLLM:\n")
    assert "  LLM: BoardLLM\n  VLLM: BoardVLLM\n" in first
    assert '    model_name: "talks"' in first.splitlines()
    lines = ["  BoardVLLM:", "    type: openai", "    base_url: http://board:8000/v1", '    model_name: "sees"']
    assert second.splitlines() == [*lines, '    api_key: "k-1"']


def test_curl_is_a_command_that_a_shell_reads_as_meant() -> None:
    words = shlex.split(shown("curl", "--url", "http://board:8000", "--key", "it's").replace("\\\n", " "))
    assert words[:3] == ["curl", "-N", "http://board:8000/v1/chat/completions"]
    assert "Authorization: Bearer it's" in words
    assert json.loads(words[-1])["stream"] is True


def test_open_webui_and_llm_get_their_files() -> None:
    lines = shown("openwebui", "--url", "http://board:8000", "--key", "k").splitlines()
    assert "OPENAI_API_BASE_URL=http://board:8000/v1" in lines
    assert "OPENAI_API_KEY=k" in lines
    assert '  api_base: "http://board:8000/v1"' in shown("llm", "--url", "http://board:8000").splitlines()


@pytest.mark.parametrize(
    ("client", "address"),
    [
        ("homeassistant", "http://board:8000\n"),
        ("rdkstudio", '"http://board:8000"'),
        ("cherry", "http://board:8000\n"),
        ("litellm", "http://board:8000/v1\n"),
        ("aider", "http://board:8000/v1\n"),
        ("n8n", "http://board:8000/v1\n"),
        ("dify", "http://board:8000/v1\n"),
        ("xiaozhi", "http://board:8000/v1\n"),
        ("ollama", "http://board:8000\n"),
        ("claude", "http://board:8000\n"),
        ("codex", '"http://board:8000/v1"\n'),
    ],
)
def test_every_other_client_gets_the_address_that_it_takes(client: str, address: str) -> None:
    text = shown(client, "--url", "http://board:8000/v1", "--key", "k-1", "--model", "m-1")
    assert address in text
    assert "m-1" in text
    assert client in ("ollama", "codex") or "k-1" in text


def test_the_commands_of_the_shell_are_read_as_meant() -> None:
    words = shlex.split(shown("claude", "--url", "http://board:8000", "--key", "it's; rm").replace("\n", " ; "))
    assert "ANTHROPIC_AUTH_TOKEN=it's; rm" in words
    assert words[-5:-1] == ["--tools", "", "--system-prompt", "Answer briefly."]
