"""docs/clients.md is true: its commands and programs run, its settings parse, its addresses and names exist."""

from __future__ import annotations

import ast
import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bpu.chat.model_card import ModelCard
from bpu.cli import _clients
from bpu.cli._endpoint import Endpoint
from bpu.settings import Settings
from tests.live.gateway import Gateway, running

pytestmark = pytest.mark.live

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "docs" / "clients.md").read_text()
BLOCK = r"^```(\w+)\n(.*?)^```$"
BLOCKS = re.findall(BLOCK, TEXT, re.MULTILINE | re.DOTALL)
MODELS = {"deepseek-r1:1.5b", "deepseek-r1:1.5b-think"}


def blocks(language: str, word: str = "") -> list[str]:
    return [text for kind, text in BLOCKS if kind == language and word in text]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("doc")) as started:
        yield started


def here(text: str, gateway: Gateway) -> str:
    return text.replace("BOARD:8000", f"127.0.0.1:{gateway.port}")


def test_every_block_is_of_a_kind_that_is_looked_at() -> None:
    assert {kind for kind, _ in BLOCKS} == {"sh", "python", "json", "yaml", "toml"}


def test_the_curl_commands_run(gateway: Gateway) -> None:
    commands = blocks("sh", "curl")
    assert len(commands) == 2
    streamed, listed = (run(["bash", "-ec", here(text, gateway)]) for text in commands)
    assert streamed.rstrip().endswith("data: [DONE]")
    assert {one["id"] for one in json.loads(listed)["data"]} == MODELS


def test_the_program_runs(gateway: Gateway) -> None:
    (program,) = blocks("python", "from openai import")
    answer, reasoning = run([sys.executable, "-c", here(program, gateway)]).split("\n", 1)
    assert "2" in answer
    assert reasoning.strip()


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_every_program_is_one() -> None:
    programs = blocks("python")
    assert programs
    for program in programs:
        assert ast.parse(program).body


def test_settings_are_those_that_the_command_prints() -> None:
    door = Endpoint("http://BOARD:8000/v1", "any", (ModelCard("deepseek-r1:1.5b"),))
    chatbox, openclaw, studio = map(json.loads, blocks("json"))
    link, _, config = _clients.chatbox_link(door).partition("?config=")
    assert f"{link}?config=" in TEXT
    assert json.loads(base64.b64decode(unquote(config))) == chatbox
    assert json.loads(_clients.openclaw(door)) == openclaw
    assert json.loads(_clients.rdkstudio(door)) == studio
    for language, word, write in (
        ("sh", "aider", _clients.aider),
        ("sh", "OLLAMA_HOST", _clients.ollama),
        ("sh", "ANTHROPIC_BASE_URL", _clients.claude),
        ("toml", "wire_api", _clients.codex),
        ("yaml", "model_list", _clients.litellm),
        ("yaml", "BoardLLM", _clients.xiaozhi),
    ):
        assert blocks(language, word) == [f"{write(door)}\n"]
    (variables,) = blocks("sh", "OPENAI_API_BASE_URL")
    assert variables.replace("export ", "").splitlines() == _clients.openwebui(door).splitlines()[1:]
    (entry,) = blocks("yaml", "api_key_name")
    for line in ('model_name: "deepseek-r1:1.5b"', 'api_base: "http://BOARD:8000/v1"', "api_key_name: bpu"):
        assert line in _clients.llm(door)
        assert line.replace('"', "") in entry


def test_the_translation_has_the_same_blocks() -> None:
    translated = (PROJECT / "docs" / "clients.zh-CN.md").read_text(encoding="utf-8")
    assert re.findall(BLOCK, translated, re.MULTILINE | re.DOTALL) == BLOCKS
    settings = r"`((?:[\w-]+=|X-|BPU_|https?://|/)[^`]*)`"
    assert set(re.findall(settings, translated)) == set(re.findall(settings, TEXT))


def test_yaml_blocks_are_nested_soundly() -> None:
    for text in blocks("yaml"):
        for line in text.splitlines():
            assert re.fullmatch(r"(?:  )*(?:- )?[A-Za-z_]+:(?: \S.*)?|(?:  )*- \S+", line), line


def test_every_address_is_a_route(gateway: Gateway) -> None:
    addresses = set(re.findall(r"http://BOARD:8000(/[\w/.-]*)?", TEXT))
    assert addresses <= {"", "/v1", "/v1/models", "/v1/chat/completions"}
    for path in set(re.findall(r"`(/[\w/]+)`", TEXT)) - {"/v1"}:
        assert gateway.request("GET", path)[0] in {200, 405}, path


def test_every_model_and_setting_exists() -> None:
    assert set(re.findall(r"deepseek-r1:[\w.]+(?:-think)?", TEXT)) == MODELS
    fields: Any = Settings.model_fields
    for name in set(re.findall(r"\bBPU_([A-Z_]+)", TEXT)):
        assert name.lower() in fields, name


def test_every_header_is_sent() -> None:
    code = "".join(path.read_text() for path in (PROJECT / "bpu" / "web").rglob("*.py"))
    for header in re.findall(r"^\| `([\w-]+)` \|", TEXT, re.MULTILINE):
        assert header in code, header


@pytest.mark.parametrize(
    "name",
    [
        "Chatbox",
        "OpenClaw",
        "Open WebUI",
        "LangChain",
        "llm",
        "LiteLLM",
        "llama-swap",
        "curl",
        "RDK Studio",
        "Cherry Studio",
        "aider",
        "n8n and Dify",
        "xiaozhi",
        "Programs for Ollama",
        "Programs for Anthropic",
    ],
)
def test_every_client_has_its_section(name: str) -> None:
    assert re.search(rf"^## {name}", TEXT, re.MULTILINE)
