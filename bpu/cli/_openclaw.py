"""Merges settings for a small model into OpenClaw's configuration, which other programs change too.

The merge is that of `openclaw config patch`: objects merge, other values are replaced. The file is JSON5; a file with
comments is refused, because they would be lost.
"""

from __future__ import annotations

import difflib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpu.cli._endpoint import Endpoint
from bpu.errors import BadRequest, EngineUnavailable
from bpu.messages import os_reason, translate

#: OpenClaw's name for this provider, and for the agent that uses it; the page uses the same.
PROVIDER = "bpu"
ANSWER = 1024
#: Switches off texts that fill most of the context and that a small model does not understand.
SMALL: dict[str, Any] = {"contextInjection": "never", "skills": []}
APIS = {"chat": "openai-completions", "responses": "openai-responses"}

Config = dict[str, Any]


def provider(endpoint: Endpoint, *, tools: bool, api: str) -> Config:
    """Return the provider's entry: its models with small contexts, the selected one first."""
    compat = {
        **({} if tools else {"supportsTools": False}),
        "requiresStringContent": True,
        "maxTokensField": "max_tokens",
        "supportsUsageInStreaming": True,
    }
    models = [
        {
            "id": card.id,
            "name": card.id,
            "reasoning": card.reasons,
            "input": card.input_modalities,
            "contextWindow": card.context,
            "maxTokens": min(ANSWER, card.context // 2),
            "compat": compat,
        }
        for card in endpoint.models
    ]
    return {"baseUrl": endpoint.base, "apiKey": endpoint.key, "api": APIS[api], "models": models}


def patch(
    endpoint: Endpoint, config: Mapping[str, Any], *, tools: bool = False, api: str = "chat", separate: bool = False
) -> Config:
    """Return the changes to merge into `config`.

    If `config` has a model already, or with `separate`, the board becomes a separate agent, `bpu`, and the main model
    stays. Tools use the smallest profile without a search, because a search costs a small model more than three tools.
    OpenClaw has one switch of the search for all agents, so a separate agent without tools leaves it alone.
    """
    primary = {"primary": f"{PROVIDER}/{endpoint.model}"}
    profile = {"tools": {"profile": "minimal"}} if tools else {}
    agents: Config
    top: Config = {}
    separate = separate or _other_model(config)
    if separate:
        agents = {"entries": {PROVIDER: {"name": "RDK BPU", "model": primary, **SMALL, **profile}}}
    else:
        agents = {"defaults": {"skipBootstrap": True, **SMALL, "model": primary}}
        top = profile
    found = config.get("tools")
    if (tools or not separate) and not (isinstance(found, Mapping) and "toolSearch" in found):
        top = merge(top, {"tools": {"toolSearch": False}})
    return {"agents": agents, "models": {"providers": {PROVIDER: provider(endpoint, tools=tools, api=api)}}, **top}


def merge(config: Mapping[str, Any], change: Mapping[str, Any]) -> Config:
    """Return `config` with `change` merged in."""
    result = dict(config)
    for name, value in change.items():
        before = result.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        result[name] = merge(before, value) if both else value  # type: ignore[arg-type]
    return result


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the file that OpenClaw itself would read."""
    if path := environ.get("OPENCLAW_CONFIG_PATH"):
        return Path(path).expanduser()
    folder = environ.get("OPENCLAW_STATE_DIR")
    return (Path(folder).expanduser() if folder else Path.home() / ".openclaw") / "openclaw.json"


def read(path: Path) -> Config:
    """Read the configuration in `path`; empty if there is none.

    Raises `BadRequest` unless it is a file of plain JSON.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # `write` would put a file in the place of a device
            raise BadRequest(translate("connect.no_file", path=path), param="config")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeError) as error:
        raise EngineUnavailable(translate("connect.unreadable", path=path, reason=os_reason(error))) from error
    try:
        config = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise BadRequest(translate("connect.not_json", path=path), param="config")
    return config


def difference(before: Mapping[str, Any], after: Mapping[str, Any], path: Path) -> str:
    """Return the changed lines without context lines, because those may hold other API keys."""
    old, new = (json.dumps(one, indent=2, ensure_ascii=False).splitlines() for one in (before, after))
    return "\n".join(difflib.unified_diff(old, new, str(path), str(path), n=0, lineterm=""))


def write(path: Path, config: Mapping[str, Any]) -> Path | None:
    """Back up and atomically replace the file; return the backup's path. Raises `EngineUnavailable`."""
    target = path.resolve()  # a link stays a link
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        old = target.stat() if target.exists() else None
        mode = stat.S_IMODE(old.st_mode) if old else 0o600
        backup = None
        if old is not None:
            backup = _free(target)
            _put(backup, target.read_bytes(), 0o600, old)
        part = target.with_name(f".{target.name}.bpu-new")
        part.unlink(missing_ok=True)
        _put(part, (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode(), mode, old)
        part.replace(target)
    except OSError as error:
        raise EngineUnavailable(translate("connect.no_write", path=path, reason=os_reason(error))) from error
    return backup


def _put(path: Path, data: bytes, mode: int, owner: os.stat_result | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        if owner is not None and os.geteuid() == 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _free(path: Path) -> Path:
    number = 1
    while (found := path.with_name(f"{path.name}.before-bpu-{number}")).exists():
        number += 1
    return found


def _other_model(config: Mapping[str, Any]) -> bool:
    """Whether the configuration has a main model of another provider."""
    found: Any = config
    for name in ("agents", "defaults", "model"):
        found = found.get(name) if isinstance(found, Mapping) else None
    primary = found.get("primary") if isinstance(found, Mapping) else found
    return bool(primary) and not str(primary).startswith(f"{PROVIDER}/")
