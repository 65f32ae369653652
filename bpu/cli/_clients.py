"""Formats settings for other programs, each in that program's own format.

It is pure but for the messages.
"""

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
from bpu.messages import translate

#: Requests that Open WebUI sends beside each answer; each costs a small board as much as an answer.
OPENWEBUI_TASKS = ("TITLE", "TAGS", "FOLLOW_UP", "AUTOCOMPLETE")
#: A key for LiteLLM's proxy; its keys must begin with `sk-`.
LITELLM_KEY = "sk-change-me"


def chatbox_link(endpoint: Endpoint) -> str:
    """Return the link by which Chatbox imports a provider: base64 of its JSON."""
    models = [
        {
            "modelId": card.id,
            "nickname": card.id,
            "type": "chat",
            "capabilities": [*(["reasoning"] if card.reasons else []), "tool_use", *(["vision"] if card.sees else [])],
            "contextWindow": card.context,
            "maxOutput": card.context // 2,
        }
        for card in endpoint.models
    ]
    config = {
        "isCustom": True,
        "id": "rdk-bpu",
        "name": "RDK BPU",
        "type": "openai",
        "settings": {"apiHost": endpoint.base, "apiKey": endpoint.key, "models": models},
    }
    data = base64.b64encode(json.dumps(config, separators=(",", ":")).encode()).decode("ascii")
    return f"chatbox://provider/import?config={quote(data, safe='')}"


def openclaw(endpoint: Endpoint) -> str:
    """Return the part of `openclaw.json`, in a small form.

    A context of 4096 tokens needs it.
    """
    return json.dumps(_openclaw.patch(endpoint, {}), indent=2)


def openwebui(endpoint: Endpoint) -> str:
    """Return the variables that a new Open WebUI reads at its first start."""
    variables = {"OPENAI_API_BASE_URL": endpoint.base, "OPENAI_API_KEY": endpoint.key, "ENABLE_OLLAMA_API": "false"}
    variables |= {f"ENABLE_{name}_GENERATION": "false" for name in OPENWEBUI_TASKS}
    # Unquoted, because docker's files of variables have no quotation marks.
    return "\n".join(
        [f"# {translate('connect.openwebui_where')}", *(f"{name}={value}" for name, value in variables.items())]
    )


def llm(endpoint: Endpoint) -> str:
    """Return the entry of `extra-openai-models.yaml`; JSON strings are YAML strings."""
    lines = []
    for card in endpoint.models:
        entry = {"model_id": card.id, "model_name": card.id, "api_base": endpoint.base}
        lines += [
            f"{'- ' if first else '  '}{name}: {json.dumps(value)}" for first, (name, value) in _mark_first(entry)
        ]
        lines.append(f"  api_key_name: {PROVIDER}")
    where = [f"# {translate('connect.llm_where')}", *lines]
    after = [f"# {translate('connect.llm_then')}", f"# llm keys set {PROVIDER} --value {shlex.quote(endpoint.key)}"]
    return "\n".join(
        [*where, *after, f"# llm -m {shlex.quote(endpoint.model)} {shlex.quote(translate('connect.hello'))}"]
    )


def curl(endpoint: Endpoint) -> str:
    """Return a command that streams one answer."""
    messages = [{"role": "user", "content": translate("connect.hello")}]
    body = json.dumps({"model": endpoint.model, "stream": True, "messages": messages}, ensure_ascii=False)
    words = [
        f"curl -N {shlex.quote(f'{endpoint.base}/chat/completions')}",
        f"-H {shlex.quote('Content-Type: application/json')}",
        f"-H {shlex.quote(f'Authorization: Bearer {endpoint.key}')}",
        f"-d {shlex.quote(body)}",
    ]
    return " \\\n  ".join(words)


def host(endpoint: Endpoint) -> str:
    """Return the address without OpenAI's `/v1`, as Ollama's and Anthropic's clients need it."""
    return endpoint.base.removesuffix("/v1")


def form(name: str, endpoint: Endpoint) -> str:
    """Return the message that says what to fill in by hand in the client `name`."""
    return translate(
        f"connect.{name}_text", base=endpoint.base, host=host(endpoint), key=endpoint.key, model=endpoint.model
    )


def rdkstudio(endpoint: Endpoint) -> str:
    """Return the file that RDK Studio imports; its address has no `/v1`."""
    model = {
        "label": "RDK BPU",
        "provider": "openai-compatible",
        "model": endpoint.model,
        "apiKey": endpoint.key,
        "baseUrl": host(endpoint),
    }
    # It requires a time of export but does not use it.
    config = {"version": "1.1", "exportedAt": "2026-01-01T00:00:00Z", "aiEngine": {"models": [model]}}
    return json.dumps(config, indent=2)


def litellm(endpoint: Endpoint) -> str:
    """Return the `config.yaml` of LiteLLM's proxy, with a master key.

    Without one the proxy is open.
    """
    return "\n".join(
        [
            "model_list:",
            "  - model_name: bpu",
            "    litellm_params:",
            f"      model: {json.dumps(f'openai/{endpoint.model}')}",
            f"      api_base: {endpoint.base}",
            f"      api_key: {json.dumps(endpoint.key)}",
            "      timeout: 600",
            "general_settings:",
            f"  master_key: {LITELLM_KEY}",
        ]
    )


def xiaozhi(endpoint: Endpoint) -> str:
    """Return the part of `data/.config.yaml` of xiaozhi-esp32-server.

    It has a model that sees where there is one.
    """
    selected, sees = endpoint.models[0], next((card for card in endpoint.models if card.sees), None)
    modules = ["LLM: BoardLLM", *(["VLLM: BoardVLLM"] if sees else []), "Intent: nointent"]
    lines = ["selected_module:", *(f"  {module}" for module in modules)]
    lines += [*_xiaozhi_module("LLM", selected.id, endpoint), "    max_tokens: 500"]
    return "\n".join([*lines, *(_xiaozhi_module("VLLM", sees.id, endpoint) if sees else [])])


def _xiaozhi_module(kind: str, model: str, endpoint: Endpoint) -> list[str]:
    return [
        f"{kind}:",
        f"  Board{kind}:",
        "    type: openai",
        f"    base_url: {endpoint.base}",
        f"    model_name: {json.dumps(model)}",
        f"    api_key: {json.dumps(endpoint.key)}",
    ]


def aider(endpoint: Endpoint) -> str:
    """Return the command that starts aider, with whole-file edits.

    Small models keep no other format.
    """
    return _shell(
        {"OPENAI_API_BASE": endpoint.base, "OPENAI_API_KEY": endpoint.key},
        f"aider --model {shlex.quote(f'openai/{endpoint.model}')} --edit-format whole --map-tokens 0",
    )


def ollama(endpoint: Endpoint) -> str:
    """Return the commands that use the gateway with Ollama's own program."""
    return _shell({"OLLAMA_HOST": host(endpoint)}, "ollama list", f"ollama run {shlex.quote(endpoint.model)}")


def claude(endpoint: Endpoint) -> str:
    """Return the command that starts Claude Code in a small form.

    A context of 4096 tokens needs it.
    """
    models = {f"ANTHROPIC_DEFAULT_{size}_MODEL": endpoint.model for size in ("OPUS", "SONNET", "HAIKU")}
    variables = {
        "ANTHROPIC_BASE_URL": host(endpoint),
        "ANTHROPIC_AUTH_TOKEN": endpoint.key,
        "ANTHROPIC_API_KEY": "",
        "ANTHROPIC_MODEL": endpoint.model,
        **models,
        "CLAUDE_CODE_SUBAGENT_MODEL": endpoint.model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
    }
    return _shell(variables, "claude --tools '' --system-prompt 'Answer briefly.'")


def codex(endpoint: Endpoint) -> str:
    """Return the part of `~/.codex/config.toml`."""
    return "\n".join(
        [
            f"model = {json.dumps(endpoint.model)}",
            f"model_provider = {json.dumps(PROVIDER)}",
            f"model_context_window = {endpoint.context}",
            "",
            f"[model_providers.{PROVIDER}]",
            'name = "RDK BPU"',
            f"base_url = {json.dumps(endpoint.base)}",
            'env_key = "RDK_KEY"',
            'wire_api = "responses"',
        ]
    )


def _shell(variables: dict[str, str], *commands: str) -> str:
    return "\n".join([*(f"export {name}={shlex.quote(value)}" for name, value in variables.items()), *commands])


def qr(text: str) -> str:
    """Draw `text` as a QR code of block characters, two rows in one line."""
    out = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out, compact=True, border=2)
    return out.getvalue()


def _mark_first(entry: dict[str, str]) -> list[tuple[bool, tuple[str, str]]]:
    return [(index == 0, item) for index, item in enumerate(entry.items())]
