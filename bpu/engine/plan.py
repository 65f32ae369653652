"""From settings to the `Launch` of one console, or of the simulator; every missing file is reported at once."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from bpu.console.profiles import PROFILES, profile_for
from bpu.engine.console_record import ConsoleRecord
from bpu.engine.launch import Launch
from bpu.errors import SettingsError
from bpu.messages import say
from bpu.project import IMPORT_ROOT
from bpu.settings import Settings, data_dir, state_dir

SIMULATOR_MODEL = IMPORT_ROOT / "bpu" / "simulator" / "model"
DEFAULT_CONTEXT = 4096
#: DeepSeek's number in 0.9.0 and 0.9.1, and in the SDK 1.0.0: the table of model types differs between them.
MODEL_TYPES = {"xlm_demo": 3, "hobot_xlm": 3}
DEFAULT_MODEL_TYPE = 1
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Files:
    """Where the console and its model lie, for the engine chosen."""

    simulated: bool
    console: Path
    model: Path
    tokenizer_dir: Path
    template: Path


def choose_files(settings: Settings, *, board_model: Path = Path("/proc/device-tree/model")) -> Files:
    """Console or simulator, as `BPU_ENGINE` says. Raises `SettingsError` that names every missing file.

    `auto` falls back to the simulator only where nobody asked for a console: not on a D-Robotics board, and not
    when a path was set.
    """
    real = Files(
        False,
        settings.in_runtime(settings.console),
        settings.in_runtime(settings.hbm_path),
        settings.in_runtime(settings.tokenizer_dir),
        settings.in_runtime(settings.template_path),
    )
    simulated = Files(True, IMPORT_ROOT / "bpu" / "simulator", *simulator_model(settings))
    if settings.engine == "simulator":
        return simulated
    missing = _missing(real, settings)
    if not missing:
        return real
    asked = sorted(settings.explicit & {"runtime_dir", "console", "hbm_path", "tokenizer_dir", "template_path"})
    if settings.engine == "auto" and not asked and not _is_board(board_model):
        return simulated
    lines = (f"  {line}" for line in missing)
    raise SettingsError("\n".join([say("settings.no_console"), *lines, say("settings.or_simulator")]))


def simulator_model(settings: Settings) -> tuple[Path, Path, Path]:
    """Model, tokenizer folder and template of the simulator: its own, unless others were named."""
    explicit = settings.explicit
    tokenizer = settings.in_runtime(settings.tokenizer_dir) if "tokenizer_dir" in explicit else SIMULATOR_MODEL
    template = (
        settings.in_runtime(settings.template_path)
        if "template_path" in explicit
        else SIMULATOR_MODEL / "DeepSeek_R1_Distill_Qwen_1.5B.jinja"
    )
    return settings.in_runtime(settings.hbm_path), tokenizer, template


def _missing(files: Files, settings: Settings) -> list[str]:
    checks = [
        (
            "BPU_CONSOLE",
            files.console,
            files.console.is_file() and os.access(files.console, os.X_OK),
            "missing_program",
        ),
        ("BPU_HBM_PATH", files.model, files.model.is_file(), "missing_model"),
        ("BPU_TOKENIZER_DIR", files.tokenizer_dir, files.tokenizer_dir.is_dir(), "missing_tokenizer"),
        ("BPU_TEMPLATE_PATH", files.template, files.template.is_file(), "missing_template"),
    ]
    missing = [(name, path, key) for name, path, fine, key in checks if not fine]
    found = []
    if not settings.runtime_dir.is_dir():
        # One sentence for all that would lie in the folder.
        found.append(say("settings.no_runtime_dir", path=settings.runtime_dir))
        missing = [one for one in missing if not one[1].is_relative_to(settings.runtime_dir)]
    return found + [say(f"settings.{key}", name=name, path=path) for name, path, key in missing]


def _is_board(model: Path) -> bool:
    try:
        return "d-robotics" in model.read_bytes().decode(errors="replace").lower()
    except OSError:
        return False


def context_size(settings: Settings) -> int:
    """Tokens of context: as set, else from the model file's name (`..._4096.hbm`), else 4096."""
    if settings.context_size is not None:
        return settings.context_size
    named = re.search(r"_(\d{3,6})\.hbm$", settings.hbm_path.name)
    return int(named.group(1)) if named else DEFAULT_CONTEXT


def profile_name(settings: Settings) -> str:
    """A key of `PROFILES`: as set, else by the name of the console program."""
    if settings.console_profile != "auto":
        return settings.console_profile
    return profile_for(settings.console.name).name


def line_limit(settings: Settings, launch: Launch | None = None) -> int:
    """The longest line in bytes that the console reads as one, 0 for no limit: as set, else as a probe of the console
    of `launch` has shown, else its profile's."""
    if settings.line_limit is not None:
        return settings.line_limit
    supposed = PROFILES[profile_name(settings)].line_limit or 0
    return supposed if launch is None else ConsoleRecord(launch).longest_line(supposed)


def plan_launch(settings: Settings) -> Launch:
    """The whole launch. Raises `SettingsError`."""
    files = choose_files(settings)
    folder = state_dir(settings)
    name = profile_name(settings)
    config = folder / f"{name}.json"
    argv = _simulator_argv(settings, files, name) if files.simulated else _console_argv(settings, files, name, config)
    return Launch(
        argv=(*argv, *settings.console_args),
        cwd=str(IMPORT_ROOT if files.simulated else settings.runtime_dir),
        env=_environment(settings, files),
        profile=name,
        simulated=files.simulated,
        model=settings.model_id,
        # The simulator is a folder of modules: its lock is a file of the state folder.
        lock_path=str(folder / "simulator.lock" if files.simulated else files.console.resolve()),
        state_dir=str(folder),
        files={} if files.simulated or name not in _CONFIGURED else {str(config): _config_file(settings, files, name)},
        context=context_size(settings),
        per_job=settings.engine_mode == "per-job",
        reset=settings.reset,
        continues=settings.continue_,
        preload=settings.preload,
        idle_unload_s=settings.idle_unload_s,
        load_timeout_s=settings.load_timeout_s,
        first_token_timeout_s=settings.first_token_timeout_s,
        stall_timeout_s=settings.stall_timeout_s,
        job_timeout_s=settings.job_timeout_s,
        memory_mb=settings.console_memory_mb,
        core_mb=settings.console_core_mb,
        queue_limit=settings.queue_limit,
        log_format=settings.log_format,
        data_dir=str(data_dir(settings)),
        exam_limit_s=settings.exam_limit_s,
    )


#: Programs that read their options from a JSON file.
_CONFIGURED = ("oellm_multichat", "llm")


def model_type(settings: Settings, name: str) -> int:
    return MODEL_TYPES.get(name, DEFAULT_MODEL_TYPE) if settings.model_type is None else settings.model_type


def _console_argv(settings: Settings, files: Files, name: str, config: Path) -> list[str]:
    if name in _CONFIGURED:
        return [str(files.console), "-c", str(config)]
    return [str(files.console), *_options(settings, files, name)]


def _options(settings: Settings, files: Files, name: str) -> list[str]:
    return [
        *("--hbm_path", str(files.model)),
        *("--tokenizer_dir", f"{files.tokenizer_dir}/"),
        *("--template_path", str(files.template)),
        *("--model_type", str(model_type(settings, name))),
    ]


def _config_file(settings: Settings, files: Files, name: str) -> str:
    config = {
        "hbm_path": str(files.model),
        "tokenizer_dir": f"{files.tokenizer_dir}/",
        "template_path": str(files.template),
        "model_type": model_type(settings, name),
    }
    return json.dumps(config, indent=2)


def _simulator_argv(settings: Settings, files: Files, name: str) -> list[str]:
    profile = ["--profile", name] if settings.console_profile != "auto" else []
    context = ["--context", str(context_size(settings))]
    # -S: the simulator needs the standard library alone, and starts sooner without site-packages.
    return [sys.executable, "-S", "-m", "bpu.simulator", *_options(settings, files, name), *profile, *context]


def _environment(settings: Settings, files: Files) -> dict[str, str]:
    """What the console gets to see: never the gateway's own settings, which may hold secrets."""
    env = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    env.update({key: value for key, value in os.environ.items() if key.startswith("HB_")})
    if not files.simulated:
        library = str(settings.runtime_dir / "lib")
        env["LD_LIBRARY_PATH"] = ":".join(filter(None, [library, env.get("LD_LIBRARY_PATH", "")]))
    return env
