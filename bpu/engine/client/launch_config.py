"""Builds the launch specification of each model.

The console is the SDK's, the processor's or the simulator. It runs in gunicorn's master, in workers and in commands,
and reports all mistakes of the settings together.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpu.board.layout import is_board, known_board
from bpu.console.profiles import PROFILES
from bpu.engine.client import cpu_settings
from bpu.engine.console_record import ConsoleRecord
from bpu.engine.launch_spec import LaunchSpec, LaunchTable
from bpu.errors import SettingsError
from bpu.messages import translate
from bpu.models import families
from bpu.models.catalogue import need_of
from bpu.models.readiness import missing_files, refusals
from bpu.models.spec import ModelSpec, from_settings
from bpu.models.table import ModelTable, load_table
from bpu.project import IMPORT_ROOT
from bpu.settings import Settings, data_dir, state_dir

SIMULATOR_MODEL = IMPORT_ROOT / "bpu" / "simulator" / "model"
SIMULATOR_CONTEXT = 4096
#: Names of the lock file in the state folder: the simulator's, and the processor console's.
_OWN_LOCKS = ("simulator.lock", "cpu.lock")
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
#: Programs that read their options from a JSON file.
_CONFIGURED = ("oellm_multichat", "llm", "vlm")
#: Tokens that the S600's programs put around a line (29 were counted) and that the model's published template does not
#: show. A prompt that is longer than the cache by one token ends them, so these are kept free.
_UNSEEN_FRAME = {"llm": 32, "vlm": 32}
#: MiB of a core's on-chip memory (L2M) that every model of the S600's SDK is started with, by its `run_llm.sh`. Without
#: it, or with more than the chip has, the model fails at its first prompt or its load.
_L2M_VARIABLE, _L2M_MIB = "HB_DNN_USER_DEFINED_L2M_SIZES", "6"


@dataclass(frozen=True)
class Files:
    """Paths of the console and its model, for the chosen engine."""

    simulated: bool
    console: Path
    model: Path
    tokenizer_dir: Path
    template: Path
    cpu: bool = False


def resolve_engine(settings: Settings, *, root: Path = Path("/")) -> Settings:
    """Return `settings`, with the model's own values if the engine is the processor. Raises `SettingsError`.

    `auto` prefers the processor to the simulator if all that it needs is installed.
    """
    if cpu_settings.is_resolved(settings) or settings.engine not in ("auto", "cpu"):
        return settings
    if settings.engine == "cpu":
        return cpu_settings.cpu_settings(settings)
    default = load_table(settings).default_model if cpu_settings.is_available(settings) else None
    falls_back = default is not None and _falls_back(settings, default, root)
    return cpu_settings.cpu_settings(settings) if falls_back else settings


def chosen_table(settings: Settings) -> ModelTable:
    """Return the models that are served.

    It is the processor's one if `resolve_engine` chose it, else the table.
    """
    if not cpu_settings.is_resolved(settings):
        return load_table(settings)
    one = from_settings(settings)
    return ModelTable((one,), one.id)


def served_names(settings: Settings) -> list[str]:
    """Return the ids of the served models, the default one first."""
    table = chosen_table(settings)
    return sorted((model.id for model in table.models), key=lambda name: name != table.default)


def chosen_model(settings: Settings) -> ModelSpec:
    """Return the model that is served by default.

    It is the processor's if `resolve_engine` chose it, else the table's.
    """
    return chosen_table(settings).default_model


def served_settings(settings: Settings) -> Settings:
    """Return `settings` for the chosen engine, with the default model's id."""
    settings = resolve_engine(settings)
    return settings.model_copy(update={"model_id": chosen_model(settings).id})


def choose_files(settings: Settings, model: ModelSpec | None = None, *, root: Path = Path("/")) -> Files:
    """Choose console, processor or simulator, as `BPU_ENGINE` says.

    `model` is the default unless it is given. Raises `SettingsError` that names everything that is missing or
    impossible. `auto` falls back to the last two only if no console was asked for: not on a D-Robotics board, not with
    a table, and not when a path was set.
    """
    settings = resolve_engine(settings, root=root)
    model = model or chosen_model(settings)
    if settings.engine == "simulator":
        return _simulated(model)
    if settings.engine == "cpu":
        assert model.template is not None, "a model file without a template was refused"
        console = IMPORT_ROOT / "bpu" / "cpu_console"
        return Files(False, console, model.hbm, model.tokenizer_dir, model.template, cpu=True)
    if _falls_back(settings, model, root):
        return _simulated(model)
    mistakes = [*missing_files(model), *refusals(model, known_board(root))]
    if mistakes:
        lines = (f"  {line}" for line in mistakes)
        raise SettingsError("\n".join([translate("settings.no_console"), *lines, translate("settings.or_simulator")]))
    assert model.template is not None, "a model without a template was refused"
    return Files(False, model.console, model.hbm, model.tokenizer_dir, model.template)


def _falls_back(settings: Settings, model: ModelSpec, root: Path) -> bool:
    """Whether `auto` falls back from the SDK's console.

    It is missing and was not asked for.
    """
    asked = settings.engine != "auto" or model.explicit_paths or model.line or is_board(root)
    return not asked and bool(missing_files(model))


def _simulated(model: ModelSpec) -> Files:
    """Return the simulator's files, with its own tokenizer and template unless others are set."""
    tokenizer = model.tokenizer_dir if "tokenizer_dir" in model.explicit_paths else SIMULATOR_MODEL
    template = model.template if "template" in model.explicit_paths else None
    own = SIMULATOR_MODEL / "DeepSeek_R1_Distill_Qwen_1.5B.jinja"
    return Files(True, IMPORT_ROOT / "bpu" / "simulator", model.hbm, tokenizer, template or own)


def context_size(settings: Settings, model: ModelSpec | None = None) -> int:
    """Return the tokens of context for a prompt and its answer.

    Without a setting it is the simulator's, because the context of every other console is known before its start.
    """
    model = model or chosen_model(settings)
    return (model.context or SIMULATOR_CONTEXT) - _UNSEEN_FRAME.get(model.profile, 0)


def line_limit(settings: Settings, launch: LaunchSpec | None = None, model: ModelSpec | None = None) -> int:
    """Return the most bytes that the console reads as one line, 0 without limit.

    It is the set one, else what a probe of the console of `launch` has shown, else its profile's.
    """
    model = model or chosen_model(settings)
    if model.line_limit is not None:
        return model.line_limit
    supposed = PROFILES[model.profile].line_limit or 0
    return supposed if launch is None else ConsoleRecord(launch).longest_line(supposed)


#: Fingerprints of the tables that this process, or its parent before the fork, has built, by state folder.
_built_tables: dict[str, list[str]] = {}
_MOST_TABLES = 16


def build_launch_table(settings: Settings, *, sysfs: Path = Path("/")) -> LaunchTable:
    """Build the table of all models that can be started.

    It has the fingerprints of its earlier versions. Raises `SettingsError` when the default model cannot be started.
    """
    settings = resolve_engine(settings)
    table = chosen_table(settings)
    launches = [build_launch_spec(settings, table.default_model, sysfs=sysfs)]
    for model in table.models:
        if model.id != table.default and unusable(settings, model) is None:
            launches.append(build_launch_spec(settings, model, sysfs=sysfs))
    table_spec = LaunchTable(tuple(launches), table.default)
    history = _built_tables.setdefault(launches[0].state_dir, [])
    if table_spec.fingerprint in history:
        history.remove(table_spec.fingerprint)
    previous = tuple(history)
    history.append(table_spec.fingerprint)
    del history[:-_MOST_TABLES]
    return LaunchTable(table_spec.launches, table_spec.default, previous)


def unusable(settings: Settings, model: ModelSpec) -> str | None:
    """Say why a model of the table cannot be started here; None when it can."""
    try:
        choose_files(settings, model)
    except SettingsError as error:
        return error.message
    return None


def build_launch_spec(settings: Settings, model: ModelSpec | None = None, *, sysfs: Path = Path("/")) -> LaunchSpec:
    """Build the launch specification of `model`, by default the table's default. Raises `SettingsError`."""
    settings = resolve_engine(settings)
    model = model or chosen_model(settings)
    files = choose_files(settings, model)
    ours = files.simulated or files.cpu
    # Our own programs use no memory of the BPU, unless the table's entry names some.
    need = need_of(model) if not ours or model.memory_mb else None
    folder = state_dir(settings)
    # Our own programs take options, not a configuration file, for every profile.
    configured = model.profile in _CONFIGURED and not ours
    config = folder / f"{model.profile}.json"
    options = ["-c", str(config)] if configured else _options(model, files)
    program = _own_program(settings, model, files) if ours else [str(files.console)]
    return LaunchSpec(
        argv=(*program, *options, *model.args),
        cwd=str(IMPORT_ROOT if ours else model.runtime_dir),
        env=_environment(model, files),
        profile=model.profile,
        simulated=files.simulated,
        model=model.id,
        # Our own programs are folders of modules, so their lock is a file in the state folder.
        lock_path=str(folder / _OWN_LOCKS[files.cpu] if ours else files.console.resolve()),
        state_dir=str(folder),
        files={str(config): json.dumps(configuration(settings, model, files), indent=2)} if configured else {},
        context=context_size(settings, model),
        per_job=settings.engine_mode == "per-job",
        reset=settings.reset,
        continues=settings.continue_,
        preload=model.preload,
        idle_unload_s=model.idle_unload_s,
        load_timeout_s=settings.load_timeout_s,
        first_token_timeout_s=settings.first_token_timeout_s,
        stall_timeout_s=settings.stall_timeout_s,
        image_timeout_s=settings.image_timeout_s,
        job_timeout_s=settings.job_timeout_s,
        memory_mb=settings.console_memory_mb,
        core_mb=settings.console_core_mb,
        queue_limit=settings.queue_limit,
        log_format=settings.log_format,
        data_dir=str(data_dir(settings)),
        exam_limit_s=settings.exam_limit_s,
        cpu=files.cpu,
        swap_after_s=settings.swap_after_s,
        need_bytes=0 if need is None else need.total,
        largest_bytes=0 if need is None else need.largest,
        sysfs=str(sysfs),
    )


def _options(model: ModelSpec, files: Files) -> list[str]:
    template = ["--template_path", str(files.template)] if files.template.suffix != ".json" else []
    return [
        *("--hbm_path", str(files.model)),
        *("--tokenizer_dir", f"{files.tokenizer_dir}/"),
        *template,
        *("--model_type", str(model.model_type)),
    ]


def configuration(settings: Settings, model: ModelSpec, files: Files) -> dict[str, Any]:
    """Return the content of the JSON file that the console reads."""
    if model.profile == "vlm":
        return _vlm_configuration(model, files)
    paths: dict[str, Any] = {"hbm_path": str(files.model), "tokenizer_dir": f"{files.tokenizer_dir}/"}
    if model.profile == "llm":
        return {
            **paths,
            "bpu_core": list(range(model.cores)),
            "model_type": model.model_type,
            "enable_thinking": model.thinking not in ("off", "none"),
            # When off, each line is a new chat, which is safe even if this program's `reset` does not work.
            "enable_multi_turn": settings.continue_ == "always",
        }
    return {**paths, "template_path": str(files.template), "model_type": model.model_type}


def _vlm_configuration(model: ModelSpec, files: Files) -> dict[str, Any]:
    """Return the image console's configuration; it resolves file names relative to `model_dir`."""
    known = families.vision(model.hbm.name)
    cores, vision_cores = list(range(model.cores)), list(range(model.cores_of_vision))
    names = {"llm_model_file": files.model, "vit_model_file": model.vit, "embed_weight_file_path": model.embeddings}
    return {
        **({} if known is None else known.config()),
        "model_dir": f"{files.model.parent}/",
        **{key: os.path.relpath(path, files.model.parent) for key, path in names.items() if path is not None},
        "vit_bpu_core": vision_cores,
        "prefill_bpu_core": cores,
        "decode_bpu_core": cores,
        "vocabulary_path": str(files.tokenizer_dir),
        **model.vlm,
    }


def _own_program(settings: Settings, model: ModelSpec, files: Files) -> list[str]:
    context = ["--context", str(context_size(settings, model))]
    if files.cpu:
        return [sys.executable, "-m", "bpu.cpu_console", *context]
    named = model.profile in _CONFIGURED or model.line > 0 or settings.console_profile != "auto"
    profile = ["--profile", model.profile] if named else []
    # -S: the simulator needs the standard library alone, and starts sooner without site-packages.
    return [sys.executable, "-S", "-m", "bpu.simulator", *profile, *context]


def _environment(model: ModelSpec, files: Files) -> dict[str, str]:
    """Return the console's environment, without the gateway's own settings, which may hold secrets."""
    env = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    if model.profile in ("llm", "vlm"):
        env[_L2M_VARIABLE] = ":".join([_L2M_MIB] * max(model.cores, model.cores_of_vision))
    env.update({key: value for key, value in os.environ.items() if key.startswith("HB_")})
    env.update(model.env)
    if not (files.simulated or files.cpu):
        env["LD_LIBRARY_PATH"] = ":".join(filter(None, [str(model.libraries), env.get("LD_LIBRARY_PATH", "")]))
    return env
