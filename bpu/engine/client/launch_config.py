"""From the table of models to the `LaunchSpec` of each console: the SDK's, the processor's or the simulator.

Every mistake is reported at once.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpu.board.layout import board_model, is_board
from bpu.console.profiles import PROFILES
from bpu.engine.client import cpu_settings
from bpu.engine.console_record import ConsoleRecord
from bpu.engine.launch_spec import LaunchSpec, LaunchTable
from bpu.errors import SettingsError
from bpu.messages import say
from bpu.models import families
from bpu.models.catalogue import need_of
from bpu.models.readiness import missing_files, refusals
from bpu.models.spec import ModelSpec, from_settings
from bpu.models.table import ModelTable, load_table
from bpu.project import IMPORT_ROOT
from bpu.settings import Settings, data_dir, state_dir

SIMULATOR_MODEL = IMPORT_ROOT / "bpu" / "simulator" / "model"
SIMULATOR_CONTEXT = 4096
#: The lock's file in the state folder: of the simulator, and of the program for the processor.
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
    """Where the console and its model lie, for the engine chosen."""

    simulated: bool
    console: Path
    model: Path
    tokenizer_dir: Path
    template: Path
    cpu: bool = False


def resolve_engine(settings: Settings, *, root: Path = Path("/")) -> Settings:
    """`settings` with the model's own values where the processor answers, else as they are. Raises `SettingsError`.

    `auto` takes the processor where it would otherwise take the simulator, and all that is needed is installed.
    """
    if cpu_settings.is_resolved(settings) or settings.engine not in ("auto", "cpu"):
        return settings
    if settings.engine == "cpu":
        return cpu_settings.cpu_settings(settings)
    default = load_table(settings).default_model if cpu_settings.is_available(settings) else None
    falls_back = default is not None and _falls_back(settings, default, root)
    return cpu_settings.cpu_settings(settings) if falls_back else settings


def chosen_table(settings: Settings) -> ModelTable:
    """The models that are served: the processor's one where `resolve_engine` took it, else the table."""
    if not cpu_settings.is_resolved(settings):
        return load_table(settings)
    one = from_settings(settings)
    return ModelTable((one,), one.id)


def chosen_model(settings: Settings) -> ModelSpec:
    """The model that is served by default: the processor's where `resolve_engine` took it, else the table's."""
    return chosen_table(settings).default_model


def served_settings(settings: Settings) -> Settings:
    """`settings` as a gateway serves them: for the engine that answers, with the default model's id."""
    settings = resolve_engine(settings)
    return settings.model_copy(update={"model_id": chosen_model(settings).id})


def choose_files(settings: Settings, model: ModelSpec | None = None, *, root: Path = Path("/")) -> Files:
    """Console, processor or simulator, as `BPU_ENGINE` says; `model` is the default unless it is given.

    Raises `SettingsError` that names everything that is missing or cannot be. `auto` falls back to the last two only
    where no console was asked for: not on a D-Robotics board, not with a table, and not when a path was set.
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
    mistakes = [*missing_files(model), *refusals(model, board_model(root))]
    if mistakes:
        lines = (f"  {line}" for line in mistakes)
        raise SettingsError("\n".join([say("settings.no_console"), *lines, say("settings.or_simulator")]))
    assert model.template is not None, "a model without a template was refused"
    return Files(False, model.console, model.hbm, model.tokenizer_dir, model.template)


def _falls_back(settings: Settings, model: ModelSpec, root: Path) -> bool:
    """Whether `auto` takes something else than the SDK's console, which is not there and was not asked for."""
    asked = settings.engine != "auto" or model.given or model.line or is_board(root)
    return not asked and bool(missing_files(model))


def _simulated(model: ModelSpec) -> Files:
    """The simulator with its own tokenizer and template, unless others were named."""
    tokenizer = model.tokenizer_dir if "tokenizer_dir" in model.given else SIMULATOR_MODEL
    template = model.template if "template" in model.given else None
    own = SIMULATOR_MODEL / "DeepSeek_R1_Distill_Qwen_1.5B.jinja"
    return Files(True, IMPORT_ROOT / "bpu" / "simulator", model.hbm, tokenizer, template or own)


def context_size(settings: Settings, model: ModelSpec | None = None) -> int:
    """Tokens of context for a prompt and its answer.

    It is the simulator's own where nothing says it: a console is never started without knowing.
    """
    model = model or chosen_model(settings)
    return (model.context or SIMULATOR_CONTEXT) - _UNSEEN_FRAME.get(model.profile, 0)


def line_limit(settings: Settings, launch: LaunchSpec | None = None, model: ModelSpec | None = None) -> int:
    """The longest line in bytes that the console reads as one, 0 for no limit: as set, else as a probe of the console
    of `launch` has shown, else its profile's."""
    model = model or chosen_model(settings)
    if model.line_limit is not None:
        return model.line_limit
    supposed = PROFILES[model.profile].line_limit or 0
    return supposed if launch is None else ConsoleRecord(launch).longest_line(supposed)


#: Fingerprints of the tables that this process, or the one that it was forked from, has planned, by state folder.
_planned: dict[str, list[str]] = {}
_MOST_PLANNED = 16


def plan_table(settings: Settings, *, sysfs: Path = Path("/")) -> LaunchTable:
    """The launches of all models that can be started, and the table's history for a keeper that goes on after a reload.

    Raises `SettingsError` when the default model cannot be started.
    """
    settings = resolve_engine(settings)
    table = chosen_table(settings)
    launches = [plan_launch(settings, table.default_model, sysfs=sysfs)]
    for model in table.models:
        if model.id != table.default and unusable(settings, model) is None:
            launches.append(plan_launch(settings, model, sysfs=sysfs))
    planned = LaunchTable(tuple(launches), table.default)
    history = _planned.setdefault(launches[0].state_dir, [])
    if planned.fingerprint in history:
        history.remove(planned.fingerprint)
    previous = tuple(history)
    history.append(planned.fingerprint)
    del history[:-_MOST_PLANNED]
    return LaunchTable(planned.launches, planned.default, previous)


def unusable(settings: Settings, model: ModelSpec) -> str | None:
    """Why a model of the table cannot be started here; None when it can."""
    try:
        choose_files(settings, model)
    except SettingsError as error:
        return error.message
    return None


def plan_launch(settings: Settings, model: ModelSpec | None = None, *, sysfs: Path = Path("/")) -> LaunchSpec:
    """The whole launch of `model`, the default unless it is given. Raises `SettingsError`."""
    settings = resolve_engine(settings)
    model = model or chosen_model(settings)
    files = choose_files(settings, model)
    ours = files.simulated or files.cpu
    # The programs of ours take no memory of the BPU; an entry that names some is taken at its word.
    need = need_of(model) if not ours or model.memory_mb else None
    folder = state_dir(settings)
    # The programs of ours take the same values as options for every profile.
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
        # A program of ours is a folder of modules: its lock is a file of the state folder.
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
    """The content of the JSON file that the console reads."""
    if model.profile == "vlm":
        return _vlm_configuration(model, files)
    found: dict[str, Any] = {"hbm_path": str(files.model), "tokenizer_dir": f"{files.tokenizer_dir}/"}
    if model.profile == "llm":
        return {
            **found,
            "bpu_core": list(range(model.cores)),
            "model_type": model.model_type,
            "enable_thinking": model.thinking not in ("off", "none"),
            # Off, each line is a new chat, which is safe without knowing whether this program's `reset` forgets.
            "enable_multi_turn": settings.continue_ == "always",
        }
    return {**found, "template_path": str(files.template), "model_type": model.model_type}


def _vlm_configuration(model: ModelSpec, files: Files) -> dict[str, Any]:
    """The program joins the files' names to `model_dir`, which may lead upwards."""
    known = families.vision(model.hbm.name)
    cores, eyes = list(range(model.cores)), list(range(model.cores_of_vision))
    names = {"llm_model_file": files.model, "vit_model_file": model.vit, "embed_weight_file_path": model.embeddings}
    return {
        **({} if known is None else known.config()),
        "model_dir": f"{files.model.parent}/",
        **{key: os.path.relpath(path, files.model.parent) for key, path in names.items() if path is not None},
        "vit_bpu_core": eyes,
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
    """What the console gets to see: never the gateway's own settings, which may hold secrets."""
    env = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    if model.profile in ("llm", "vlm"):
        env[_L2M_VARIABLE] = ":".join([_L2M_MIB] * max(model.cores, model.cores_of_vision))
    env.update({key: value for key, value in os.environ.items() if key.startswith("HB_")})
    env.update(model.env)
    if not (files.simulated or files.cpu):
        env["LD_LIBRARY_PATH"] = ":".join(filter(None, [str(model.libraries), env.get("LD_LIBRARY_PATH", "")]))
    return env
