"""The settings of other programs, each as that program wants them. Pure, but for the words around them."""

from __future__ import annotations

import base64
import io
import json
import shlex
from urllib.parse import quote

import segno

from bpu.cli._where import Door
from bpu.messages import say

#: OpenClaw's name for this provider; the page uses the same.
PROVIDER = "bpu"
OPENCLAW_ANSWER = 1024


def chatbox_link(door: Door) -> str:
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


def openclaw(door: Door) -> str:
    """The part of `openclaw.json`, in the small form that a context of 4096 tokens needs."""
    models = [
        {
            "id": model,
            "name": f"{model} (BPU)",
            "reasoning": True,
            "input": ["text"],
            "contextWindow": context,
            "maxTokens": min(OPENCLAW_ANSWER, context // 2),
            "compat": {
                "supportsTools": False,
                "requiresStringContent": True,
                "maxTokensField": "max_tokens",
                "supportsUsageInStreaming": True,
            },
        }
        for model, context in door.models
    ]
    provider = {"baseUrl": door.base, "apiKey": door.key, "api": "openai-completions", "models": models}
    config = {
        "agents": {"defaults": {"skipBootstrap": True, "model": {"primary": f"{PROVIDER}/{door.model}"}}},
        "models": {"providers": {PROVIDER: provider}},
    }
    return json.dumps(config, indent=2)


def openwebui(door: Door) -> str:
    """The variables that a new Open WebUI reads at its first start."""
    variables = {"OPENAI_API_BASE_URL": door.base, "OPENAI_API_KEY": door.key, "ENABLE_OLLAMA_API": "false"}
    # As they are: files of variables for docker know no quotation marks.
    return "\n".join([f"# {say('connect.openwebui_where')}", *(f"{name}={value}" for name, value in variables.items())])


def llm(door: Door) -> str:
    """The entry of `extra-openai-models.yaml`; JSON strings are YAML strings."""
    lines = []
    for model, _ in door.models:
        entry = {"model_id": model, "model_name": model, "api_base": door.base}
        lines += [f"{'- ' if first else '  '}{name}: {json.dumps(value)}" for first, (name, value) in _firsts(entry)]
        lines.append(f"  api_key_name: {PROVIDER}")
    where = [f"# {say('connect.llm_where')}", *lines]
    after = [f"# {say('connect.llm_then')}", f"# llm keys set {PROVIDER} --value {shlex.quote(door.key)}"]
    return "\n".join([*where, *after, f"# llm -m {shlex.quote(door.model)} {shlex.quote(say('connect.hello'))}"])


def curl(door: Door) -> str:
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


def qr(text: str) -> str:
    """`text` as a QR code of block characters, two rows of it in one line."""
    out = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out, compact=True, border=2)
    return out.getvalue()


def _firsts(entry: dict[str, str]) -> list[tuple[bool, tuple[str, str]]]:
    return [(index == 0, item) for index, item in enumerate(entry.items())]
