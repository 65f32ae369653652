"""Settings for other programs hold the address, the key and the model, in the form that each program reads."""

from __future__ import annotations

import base64
import http.server
import json
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner

from bpu.board.addresses import Address, Kind
from bpu.chat.model_card import ModelCard
from bpu.cli import _clients, main
from bpu.cli._endpoint import Endpoint, find_endpoint
from bpu.errors import SettingsError
from bpu.settings import Settings

HERE = Endpoint("http://192.168.137.100:8000/v1", "key-1", (ModelCard("deepseek-r1:1.5b"),))


@pytest.fixture(autouse=True)
def _simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPU_ENGINE", "simulator")
    monkeypatch.setattr("bpu.cli.connect.MODELS_LIMIT_S", 0.1)  # addresses at which nothing answers


def shown(*words: str) -> str:
    result = CliRunner().invoke(main, ["connect", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_best_address_the_first_key_and_the_model_are_taken(tmp_path: Path) -> None:
    found = [Address("192.168.137.100", "usb0", Kind.USB), Address("10.0.0.5", "wlan0", Kind.WIFI)]
    settings = Settings(api_keys="key-1,key-2")
    assert find_endpoint(settings, lambda: found) == HERE
    keys = tmp_path / "keys"
    keys.write_text("# ours\n\nkey-3\n")
    assert find_endpoint(Settings(api_keys_file=keys), lambda: found).key == "key-3"
    assert find_endpoint(Settings(), lambda: found).key == "any"


def test_an_address_whose_clients_are_served_comes_first_and_a_public_one_alone_is_warned_of() -> None:
    public, wifi = Address("8.8.8.8", "eth0", Kind.WIRED), Address("10.0.0.5", "wlan0", Kind.WIFI)
    found = find_endpoint(Settings(), lambda: [public, wifi])
    assert (found.base, found.needs_key) == ("http://10.0.0.5:8000/v1", False)
    found = find_endpoint(Settings(), lambda: [public])
    assert (found.base, found.needs_key) == ("http://8.8.8.8:8000/v1", True)
    found = find_endpoint(Settings(api_keys="key-1"), lambda: [public, wifi])
    assert (found.base, found.needs_key) == ("http://8.8.8.8:8000/v1", False)


def test_an_address_where_nothing_answers_is_said_beside_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPU_BIND", "127.0.0.1:1")
    result = CliRunner().invoke(main, ["connect", "curl"])
    assert result.exit_code == 0, result.output
    assert "http://127.0.0.1:1/v1" in result.stdout
    assert "Nothing answers at 127.0.0.1:1 now" in result.stderr
    assert "Nothing answers" not in CliRunner().invoke(main, ["connect", "curl", "--url", "127.0.0.1:1"]).output


def test_no_code_is_promised_where_none_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "scan" not in shown("chatbox")
    monkeypatch.setattr("bpu.cli.connect.is_terminal", lambda stream: True)
    monkeypatch.setattr("bpu.cli._endpoint.local_addresses", lambda: [Address("10.0.0.5", "eth0", Kind.WIRED)])
    monkeypatch.setenv("BPU_BIND", "10.0.0.5:8000")
    assert "scan the code" in shown("chatbox")


def test_without_a_network_address_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--url"):
        find_endpoint(Settings(bind=f"unix:{tmp_path}/s"), list)


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


def test_chatbox_s_steps_are_there_and_the_code_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = shown("chatbox", "--url", "192.168.137.100:8000", "--key", "k")
    assert "chatbox://provider/import?config=" in piped
    assert "http://192.168.137.100:8000/v1 " in piped
    assert "█" not in piped
    monkeypatch.setattr("bpu.cli.connect.is_terminal", lambda stream: True)
    assert "█" in shown("chatbox", "--url", "192.168.137.100:8000")
    for address in ("localhost:8000", "127.0.0.1:8000", "http://[::1]:8000"):
        local = shown("chatbox", "--url", address)
        assert ("█" in local, "this machine only" in local) == (False, True), address


def test_openclaw_s_part_is_json_with_the_small_form() -> None:
    config = json.loads(shown("openclaw", "--url", "http://board:8000/v1/"))
    provider = config["models"]["providers"]["bpu"]
    assert provider["baseUrl"] == "http://board:8000/v1"
    assert provider["models"][0]["compat"]["supportsTools"] is False
    assert config["agents"]["defaults"]["model"]["primary"] == f"bpu/{provider['models'][0]['id']}"


@contextmanager
def another_gateway(models: list[dict[str, Any]], key: str = "") -> Iterator[str]:
    """A gateway of another machine that answers `/v1/models` alone, with `key` if there is one."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            right = self.path == "/v1/models" and self.headers.get("Authorization", "") == (
                f"Bearer {key}" if key else ""
            )
            data = json.dumps({"data": models} if right else {"error": {"message": "No."}}).encode()
            self.send_response(200 if right else 401)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("key", ["", "k-1"])
def test_a_gateway_that_is_named_is_asked_for_its_models(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setattr("bpu.cli.connect.MODELS_LIMIT_S", 10)
    served: list[dict[str, Any]] = [
        {"id": "theirs", "context_length": 8192, "capabilities": ["completion", "vision"]},
        {"id": "second", "capabilities": ["thinking"]},
        {"id": "theirs-think", "context_length": 8192, "capabilities": ["completion"]},
    ]
    with another_gateway(served, key) as url:
        config = json.loads(shown("openclaw", "--url", url, *(["--key", key] if key else [])))
    provider = config["models"]["providers"]["bpu"]
    found = [(one["id"], one["contextWindow"], one["reasoning"], one["input"]) for one in provider["models"]]
    assert found == [("theirs", 8192, False, ["text", "image"]), ("second", 4096, True, ["text"])]
    assert config["agents"]["defaults"]["model"]["primary"] == "bpu/theirs"


@pytest.mark.parametrize(
    "served",
    [
        [], [7], [{"context_length": 1}], [{"id": 5}], [{"id": ""}], [{"id": "x", "context_length": "many"}],
        [{"id": "x", "context_length": float("inf")}], [{"id": "x", "context_length": 0}],
        [{"id": "x", "context_length": -1}], [{"id": "x", "capabilities": {"thinking": False}}],
    ],
)  # fmt: skip
def test_a_gateway_that_does_not_name_its_models_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, served: list[Any]
) -> None:
    monkeypatch.setattr("bpu.cli.connect.MODELS_LIMIT_S", 10)
    with another_gateway(served, "a key that is not given") as url:
        refused = CliRunner().invoke(main, ["connect", "curl", "--url", url])
    with another_gateway(served) as url:
        strange = CliRunner().invoke(main, ["connect", "curl", "--url", url, "--model", "m-1"])
    for result in (refused, strange):
        assert result.exit_code == 0, result.output
        assert "does not name its models" in result.stderr
        assert "/v1/chat/completions" in result.stdout
    assert "m-1" in strange.stdout


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


def test_what_is_no_address_is_refused_with_an_example() -> None:
    result = CliRunner().invoke(main, ["connect", "curl", "--url", "ftp://board"])
    assert result.exit_code == 2
    assert "http://" in result.output
