"""Reads the environment into one frozen `Settings`.

It reports all mistakes together, each with its remedy. The environment variable of field `x` is `BPU_X`. This module
checks values only; `bpu.engine.client.launch_config` checks whether files exist, because that depends on the chosen
engine.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import shlex
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bpu.errors import SettingsError
from bpu.messages import has, os_reason, translate

ARTICLE_RUNTIME = Path("/jinyl_dev/models/OpenExplorer_LLM_0.9.0/runtime")
ARTICLE_MODEL = "DeepSeek_R1_Distill_Qwen_1.5B"
SYSTEM_STATE = Path("/run/bpu")
SYSTEM_DATA = Path("/var/lib/bpu")

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _split_commas(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _split_shell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return tuple(shlex.split(value))
    except ValueError as error:
        raise ValueError(translate("settings.shell", reason=error)) from error


def _auto_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in {"", "auto"} else value


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _key_file(path: Path) -> Path:
    """Accept a file that this user may not read.

    Commands that need no key work for every user.
    """
    try:
        if path.is_file():
            return path
    except PermissionError:
        return path
    raise ValueError(translate("settings.readable"))


def _one_word(value: str) -> str:
    if not value or value.split() != [value]:
        raise ValueError(translate("settings.one_word"))
    return value


def _printable(value: str) -> str:
    if not value or any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise ValueError(translate("settings.printable"))
    return value


def _listening(value: str) -> str:
    parts = [part.strip() for part in value.split(",")]
    if not all(re.fullmatch(r"unix:.+|fd://\d+", part) or _is_host_and_port(part) for part in parts):
        raise ValueError(translate("settings.listening"))
    return ",".join(parts)


def _listening_or_not(value: str) -> str:
    return _listening(value) if value else ""


def _is_host_and_port(text: str) -> bool:
    match = re.fullmatch(r"(?:\[[0-9A-Fa-f:.%\w]+\]|[\w.-]+):(\d{1,5})", text)
    return match is not None and int(match[1]) <= 65535


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if value and (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise ValueError(translate("settings.web_address"))
    return value.rstrip("/")


def _web_page(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s/]+(?:/\S*)?", value):
        raise ValueError(translate("settings.web_page"))
    return value


def _image_hosts(values: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [value for value in values if not re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::\d{1,5})?", value)]
    if wrong:
        raise ValueError(translate("settings.image_hosts", wrong=", ".join(wrong)))
    return values


def _proxies(values: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [value for value in values if value.lower() != "unix" and not _is_network(value)]
    if wrong:
        raise ValueError(translate("settings.proxies", wrong=", ".join(wrong)))
    return values


def _is_network(value: str) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return True


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_shell)]
AutoNatural = Annotated[Annotated[int, Field(ge=0)] | None, BeforeValidator(_auto_is_none)]
UserPath = Annotated[Path, AfterValidator(Path.expanduser)]
Folder = Annotated[Path, AfterValidator(_absolute)]
AutoTokens = Annotated[Annotated[int, Field(ge=16)] | None, BeforeValidator(_auto_is_none)]


class Settings(BaseSettings):
    """All settings, immutable.

    The defaults fit a board that was set up by the vendor's article.
    """

    # An empty variable counts as not set, because settings files may list all variables.
    model_config = SettingsConfigDict(
        env_prefix="BPU_", frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    engine: Literal["auto", "console", "cpu", "simulator"] = "auto"
    runtime_dir: Folder = ARTICLE_RUNTIME
    console: UserPath = Path("bin/xlm_demo")
    console_profile: Literal["auto", "xlm_demo", "oellm_run", "oellm_multichat", "hobot_xlm", "vlm", "llm"] = "auto"
    hbm_path: UserPath = Path(f"model/{ARTICLE_MODEL}_4096.hbm")
    tokenizer_dir: UserPath = Path(f"config/{ARTICLE_MODEL}_config")
    template_path: UserPath = Path(f"config/{ARTICLE_MODEL}_config/{ARTICLE_MODEL}.jinja")
    model_type: AutoNatural = None
    models_file: Folder | None = None
    model_mirror: Annotated[str, AfterValidator(_web_address)] = ""
    model_offline: bool = False
    console_args: Words = ()
    gguf: Folder | None = None
    model_id: Annotated[str, AfterValidator(_one_word)] = "deepseek-r1:1.5b"
    context_size: AutoTokens = None
    line_limit: AutoNatural = None
    newline: Annotated[str, AfterValidator(_printable)] = "\\n"
    engine_mode: Literal["auto", "resident", "per-job"] = "auto"
    reset: Literal["auto", "command", "restart"] = "auto"
    continue_: Annotated[Literal["auto", "always", "never"], Field(validation_alias="BPU_CONTINUE")] = "auto"
    preload: bool = True
    idle_unload_s: Seconds = 0
    exam_limit_s: Seconds = 45
    load_timeout_s: Seconds = 120
    first_token_timeout_s: Seconds = 120
    stall_timeout_s: Seconds = 30
    image_timeout_s: Seconds = 60
    job_timeout_s: Seconds = 0
    # MiB. Core dumps are off by default, because a dump of the console contains the users' conversations.
    console_memory_mb: Annotated[int, Field(ge=0)] = 0
    console_core_mb: Annotated[int, Field(ge=0)] = 0
    queue_limit: Annotated[int, Field(ge=0)] = 64
    queue_timeout_s: Seconds = 600
    swap_after_s: Seconds = 20
    keepalive_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10
    keepalive: Literal["chunk", "comment", "off"] = "chunk"
    header_drip_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 240
    reasoning: Literal["reasoning_content", "reasoning", "think-tags", "drop"] = "reasoning_content"
    think_model: bool = True
    history: Literal["error", "trim"] = "error"
    side_requests: Literal["gateway", "engine"] = "gateway"
    publish_context: bool = True
    image_urls: Annotated[Names, AfterValidator(_image_hosts)] = ()
    api_keys: Names = ()
    api_keys_file: Annotated[Folder, AfterValidator(_key_file)] | None = None
    allowed_origins: Names = ()
    allowed_hosts: Names = ()
    trusted_proxies: Annotated[Names, AfterValidator(_proxies)] = ()
    client_connections: Annotated[int, Field(ge=0)] = 64
    status_streams: Annotated[int, Field(ge=1)] = 128
    first_byte_timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5
    max_body_bytes: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024
    max_image_body_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    body_budget_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    max_messages: Annotated[int, Field(ge=1)] = 2000
    head_timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 20
    body_timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120
    log_format: Literal["text", "json"] = "text"
    log_prompts: bool = False
    activity: Literal["0", "1", "bodies"] = "1"
    bind: Annotated[str, AfterValidator(_listening)] = "0.0.0.0:8000"
    announce: Literal["auto", "0", "1"] = "auto"
    mcp: bool = False
    ollama_bind: Annotated[str, AfterValidator(_listening_or_not)] = ""
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    graceful_s: Seconds = 30
    state_dir: Folder | None = None
    data_dir: Folder | None = None
    performance_mode: bool = False
    update_url: Annotated[str, AfterValidator(_web_page)] = ""

    def in_runtime(self, path: Path) -> Path:
        """Resolve `path` as the console does: relative to the runtime folder."""
        return self.runtime_dir / path

    @property
    def explicit(self) -> frozenset[str]:
        """The fields that the user has set, which derived values must not override."""
        return frozenset(self.model_fields_set)


#: Fields that are paths; relative ones are relative to the folder in which the settings were read.
FOLDERS = frozenset({"runtime_dir", "state_dir", "data_dir", "models_file", "gguf"})


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; `overrides` take precedence. Raises `SettingsError` that lists every mistake."""
    settings, mistakes = read_settings(**overrides)
    if mistakes:
        raise SettingsError("\n  ".join([translate("settings.wrong"), *mistakes]))
    return settings


def read_settings(**overrides: Any) -> tuple[Settings, list[str]]:
    """Return the settings, with defaults for wrong values, and the list of mistakes."""
    misspelt = list(_misspelt(os.environ))
    try:
        return Settings(**overrides), misspelt
    except ValidationError as error:
        mistakes = [_remedy(item) for item in error.errors()]
        wrong = {_field(item["loc"]) for item in error.errors()}
    rest = {field: value for field, value in overrides.items() if field not in wrong}
    return Settings(**rest, **{field: Settings.model_fields[field].default for field in wrong}), misspelt + mistakes


def variables() -> dict[str, str]:
    """Return the environment variable of each field, in the order of the fields."""
    return {field: f"BPU_{field.rstrip('_').upper()}" for field in Settings.model_fields}


def _misspelt(names: Iterable[str]) -> Iterable[str]:
    """Yield a mistake for each `BPU_` variable that is unknown and resembles a known one."""
    known = set(variables().values())
    for name in sorted(names):
        if name.startswith("BPU_") and name not in known and name != "BPU_SETTINGS_FILE":
            for guess in difflib.get_close_matches(name, known, n=1, cutoff=0.8):
                yield translate("settings.misspelt", name=name, guess=guess)


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else "settings"
    return name if name.startswith("BPU_") else f"BPU_{name.rstrip('_').upper()}"


def _field(location: tuple[int | str, ...]) -> str:
    return next(field for field, variable in variables().items() if variable == _variable(location))


def _remedy(item: Any) -> str:
    return translate("settings.remedy", name=_variable(item["loc"]), rule=_rule(item), value=repr(str(item["input"])))


def _rule(item: Any) -> str:
    """Say what the value must be.

    It uses our own words if there are any for this kind of error, else pydantic's.
    """
    if item["type"] != "value_error" and has(f"settings.{item['type']}"):
        return translate(f"settings.{item['type']}", **item.get("ctx", {}))
    return str(item["msg"]).removeprefix("Value error, ").replace("Input should", "must")


def state_dir(settings: Settings) -> Path:
    """Return the folder of sockets and locks, private to the user and the folder's group.

    Make it if it is missing. `BPU_STATE_DIR`, else `/run/bpu` if usable, else `$XDG_RUNTIME_DIR/bpu`, else a per-user
    folder in the temporary one. Raises `SettingsError` when none can be used.
    """
    if settings.state_dir is not None:
        if (reason := _unusable(settings.state_dir)) is not None:
            raise SettingsError(translate("settings.state_dir", folder=settings.state_dir, reason=reason))
        return settings.state_dir
    *guesses, folder = _state_guesses()
    for guess in guesses:
        if _unusable(guess) is None:
            return guess
    if (reason := _unusable(folder)) is not None:
        raise SettingsError(translate("settings.no_state_dir", folder=folder, reason=reason))
    return folder


def existing_state_dirs(settings: Settings) -> list[Path]:
    """List the existing folders in which a keeper may be listening."""
    guesses = _state_guesses() if settings.state_dir is None else [settings.state_dir]
    return [folder for folder in guesses if folder.is_dir()]


def _state_guesses() -> list[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    private = Path(tempfile.gettempdir()) / f"bpu-{os.getuid()}"
    return [SYSTEM_STATE, *([Path(runtime) / "bpu"] if runtime else []), private]


def data_dir(settings: Settings) -> Path:
    """Return the folder of data that outlives a restart: models, records of consoles, the activity.

    It may be missing and is made at the first write: `BPU_DATA_DIR`, else the folder that systemd made for the service,
    else `/var/lib/bpu` if usable, else `$XDG_STATE_HOME/bpu`.
    """
    if settings.data_dir is not None:
        return settings.data_dir
    if service := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(service)
    nearest = SYSTEM_DATA if SYSTEM_DATA.exists() else SYSTEM_DATA.parent
    if os.access(nearest, os.W_OK | os.X_OK) and not nearest.is_symlink():
        return SYSTEM_DATA
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "bpu"


def _unusable(folder: Path) -> str | None:
    """Say why `folder` cannot hold our sockets, for example because another user made it.

    Return None if it can.
    """
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        if folder.is_symlink() and _is_foreign(folder.lstat()):
            return translate("settings.foreign_link")
        status = folder.stat()
    except OSError as error:
        return os_reason(error)
    if _is_foreign(status) or status.st_mode & 0o002:
        return translate("settings.foreign_folder")
    return None if os.access(folder, os.W_OK | os.X_OK) else translate("settings.no_right")


def _is_foreign(status: os.stat_result) -> bool:
    return status.st_uid not in (os.getuid(), 0)
