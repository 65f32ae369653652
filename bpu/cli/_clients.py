"""The settings of other programs, each as that program wants them. Pure, but for the words around them."""

from __future__ import annotations

import base64
import io
import json
import shlex
from urllib.parse import quote

import segno

from bpu.cli import _openclaw
from bpu.cli._endpoint import Endpoint
from bpu.cli._openclaw import PROVIDER
from bpu.messages import say

#: What Open WebUI asks for beside each answer; each costs a small board as much as an answer.
OPENWEBUI_TASKS = ("TITLE", "TAGS", "FOLLOW_UP", "AUTOCOMPLETE")
#: How LiteLLM's own keys must begin.
LITELLM_KEY = "sk-change-me"


def chatbox_link(door: Endpoint) -> str:
    """The link by which Chatbox takes in a provider: base64 of its JSON."""
    models = [
        {
            "modelId": model,
            "nickname": f"{model} (BPU)",
            "type": "chat",
            "capabilities": ["reasoning", "tool_use"],
            "contextWindow": context,
            "maxOutput": context // 2,
        }
        for model, context in door.models
    ]
    config = {
        "isCustom": True,
        "id": "rdk-bpu",
        "name": "RDK BPU",
        "type": "openai",
        "settings": {"apiHost": door.base, "apiKey": door.key, "models": models},
    }
    data = base64.b64encode(json.dumps(config, separators=(",", ":")).encode()).decode("ascii")
    return f"chatbox://provider/import?config={quote(data, safe='')}"


def openclaw(door: Endpoint) -> str:
    """The part of `openclaw.json`, in the small form that a context of 4096 tokens needs."""
    return json.dumps(_openclaw.patch(door, {}), indent=2)


def openwebui(door: Endpoint) -> str:
    """The variables that a new Open WebUI reads at its first start."""
    variables = {"OPENAI_API_BASE_URL": door.base, "OPENAI_API_KEY": door.key, "ENABLE_OLLAMA_API": "false"}
    variables |= {f"ENABLE_{name}_GENERATION": "false" for name in OPENWEBUI_TASKS}
    # As they are: files of variables for docker know no quotation marks.
    return "\n".join([f"# {say('connect.openwebui_where')}", *(f"{name}={value}" for name, value in variables.items())])


def llm(door: Endpoint) -> str:
    """The entry of `extra-openai-models.yaml`; JSON strings are YAML strings."""
    lines = []
    for model, _ in door.models:
        entry = {"model_id": model, "model_name": model, "api_base": door.base}
        lines += [f"{'- ' if first else '  '}{name}: {json.dumps(value)}" for first, (name, value) in _firsts(entry)]
        lines.append(f"  api_key_name: {PROVIDER}")
    where = [f"# {say('connect.llm_where')}", *lines]
    after = [f"# {say('connect.llm_then')}", f"# llm keys set {PROVIDER} --value {shlex.quote(door.key)}"]
    return "\n".join([*where, *after, f"# llm -m {shlex.quote(door.model)} {shlex.quote(say('connect.hello'))}"])


def curl(door: Endpoint) -> str:
    """A command that streams one answer."""
    messages = [{"role": "user", "content": say("connect.hello")}]
    body = json.dumps({"model": door.model, "stream": True, "messages": messages}, ensure_ascii=False)
    words = [
        f"curl -N {shlex.quote(f'{door.base}/chat/completions')}",
        f"-H {shlex.quote('Content-Type: application/json')}",
        f"-H {shlex.quote(f'Authorization: Bearer {door.key}')}",
        f"-d {shlex.quote(body)}",
    ]
    return " \\\n  ".join(words)


def host(door: Endpoint) -> str:
    """The address without OpenAI's `/v1`, as Ollama's and Anthropic's clients take it."""
    return door.base.removesuffix("/v1")


def form(name: str, door: Endpoint) -> str:
    """What to fill in by hand, in the words of the catalogue for the client `name`."""
    return say(f"connect.{name}_text", base=door.base, host=host(door), key=door.key, model=door.model)


def rdkstudio(door: Endpoint) -> str:
    """The file that RDK Studio imports; its address stands there without `/v1`."""
    model = {
        "label": "RDK BPU",
        "provider": "openai-compatible",
        "model": door.model,
        "apiKey": door.key,
        "baseUrl": host(door),
    }
    # It wants a time of export, and reads nothing out of it.
    config = {"version": "1.1", "exportedAt": "2026-01-01T00:00:00Z", "aiEngine": {"models": [model]}}
    return json.dumps(config, indent=2)


def litellm(door: Endpoint) -> str:
    """The `config.yaml` of LiteLLM's proxy; without a master key it serves everybody."""
    return "\n".join(
        [
            "model_list:",
            "  - model_name: bpu",
            "    litellm_params:",
            f"      model: {json.dumps(f'openai/{door.model}')}",
            f"      api_base: {door.base}",
            f"      api_key: {json.dumps(door.key)}",
            "      timeout: 600",
            "general_settings:",
            f"  master_key: {LITELLM_KEY}",
        ]
    )


def xiaozhi(door: Endpoint) -> str:
    """The part of `data/.config.yaml` of xiaozhi-esp32-server."""
    return "\n".join(
        [
            "selected_module:",
            "  LLM: BoardLLM",
            "  Intent: nointent",
            "LLM:",
            "  BoardLLM:",
            "    type: openai",
            f"    base_url: {door.base}",
            f"    model_name: {json.dumps(door.model)}",
            f"    api_key: {json.dumps(door.key)}",
            "    max_tokens: 500",
        ]
    )


def aider(door: Endpoint) -> str:
    """The command that starts aider; whole files are the only form of edits that a small model keeps."""
    return _shell(
        {"OPENAI_API_BASE": door.base, "OPENAI_API_KEY": door.key},
        f"aider --model {shlex.quote(f'openai/{door.model}')} --edit-format whole --map-tokens 0",
    )


def ollama(door: Endpoint) -> str:
    """The commands that talk to the gateway with Ollama's own program."""
    return _shell({"OLLAMA_HOST": host(door)}, "ollama list", f"ollama run {shlex.quote(door.model)}")


def claude(door: Endpoint) -> str:
    """The command that starts Claude Code in the small form that a context of 4096 tokens needs."""
    models = {f"ANTHROPIC_DEFAULT_{size}_MODEL": door.model for size in ("OPUS", "SONNET", "HAIKU")}
    variables = {
        "ANTHROPIC_BASE_URL": host(door),
        "ANTHROPIC_AUTH_TOKEN": door.key,
        "ANTHROPIC_API_KEY": "",
        "ANTHROPIC_MODEL": door.model,
        **models,
        "CLAUDE_CODE_SUBAGENT_MODEL": door.model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
    }
    return _shell(variables, "claude --tools '' --system-prompt 'Answer briefly.'")


def codex(door: Endpoint) -> str:
    """The part of `~/.codex/config.toml`."""
    return "\n".join(
        [
            f"model = {json.dumps(door.model)}",
            f"model_provider = {json.dumps(PROVIDER)}",
            f"model_context_window = {door.context}",
            "",
            f"[model_providers.{PROVIDER}]",
            'name = "RDK BPU"',
            f"base_url = {json.dumps(door.base)}",
            'env_key = "RDK_KEY"',
            'wire_api = "responses"',
        ]
    )


def _shell(variables: dict[str, str], *commands: str) -> str:
    return "\n".join([*(f"export {name}={shlex.quote(value)}" for name, value in variables.items()), *commands])


def qr(text: str) -> str:
    """`text` as a QR code of block characters, two rows of it in one line."""
    out = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out, compact=True, border=2)
    return out.getvalue()


def _firsts(entry: dict[str, str]) -> list[tuple[bool, tuple[str, str]]]:
    return [(index == 0, item) for index, item in enumerate(entry.items())]
