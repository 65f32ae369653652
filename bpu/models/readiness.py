"""Lists the reasons why a model cannot be served.

Missing files, and models that its console refuses.
"""

from __future__ import annotations

import os
from pathlib import Path

from bpu.messages import translate
from bpu.models import families, sdk
from bpu.models.catalogue import catalogue
from bpu.models.names import Board, can_run
from bpu.models.spec import ModelSpec

#: Programs that read a template file; those of the S600 have their own.
_READS_TEMPLATE = ("xlm_demo", "hobot_xlm", "oellm_run", "oellm_multichat")
#: InternLM2's number in the SDK 1.0.0, whose program wraps the line by itself.
_INTERNLM = 4


def missing_files(model: ModelSpec) -> list[str]:
    """Return a sentence for each missing file of the model."""
    names = _names(model)
    checks: list[tuple[str, str, Path, bool]] = [
        ("console", "missing_program", model.console, _is_program(model.console)),
        ("hbm", "missing_model", model.hbm, sdk.is_file(model.hbm)),
        ("tokenizer_dir", "missing_tokenizer", model.tokenizer_dir, sdk.is_dir(model.tokenizer_dir)),
    ]
    if model.template is not None:
        checks.append(("template", "missing_template", model.template, sdk.is_file(model.template)))
    found = []
    if not sdk.is_dir(model.runtime_dir):
        # One sentence for all files in the missing folder.
        found.append(translate("settings.no_runtime_dir", name=names["runtime_dir"], path=model.runtime_dir))
        checks = [one for one in checks if not one[2].is_relative_to(model.runtime_dir)]
    found += [
        translate(f"settings.{words}", name=names[key], path=path, runtime=names["runtime_dir"])
        for key, words, path, fine in checks
        if not fine
    ]
    if model.profile == "vlm":
        parts = (("vit", model.vit), ("embeddings", model.embeddings))
        absent = (key for key, path in parts if path is None or not sdk.is_file(path))
        found += [translate("models.missing_part", part=key, key=key, name=model.hbm.name) for key in absent]
    return found


def _names(model: ModelSpec) -> dict[str, str]:
    """Return the names of the values to correct.

    They are keys of the entry in a table, else settings.
    """
    keys = ("runtime_dir", "console", "hbm", "tokenizer_dir", "template")
    if model.line:
        return {key: f"`{key}` of {model.id}" for key in keys}
    settings = ("BPU_RUNTIME_DIR", "BPU_CONSOLE", "BPU_HBM_PATH", "BPU_TOKENIZER_DIR", "BPU_TEMPLATE_PATH")
    return dict(zip(keys, settings, strict=True))


def refusals(model: ModelSpec, board: Board | None) -> list[str]:
    """Return a sentence for each reason why the console would refuse this model.

    `board` is None for an unknown one.
    """
    found = []
    if sdk.is_second_generation(model.runtime_dir):
        return [translate("models.second_sdk", folder=model.runtime_dir)]
    if not can_run(model.facts.board, board):
        found.append(translate("models.wrong_board", name=model.hbm.name, made_for=model.facts.board, board=board))
    if model.context is None:
        found.append(translate("models.no_context", name=model.hbm.name))
    row = next((row for row in catalogue() if row.hbm == model.hbm.name and not row.console), None)
    if row is not None:
        found.append(translate("models.no_console", name=model.hbm.name, why=translate(f"pull.why_{row.why}")))
    elif not families.accepts(model.profile, model.model_type):
        others = [name for name in families.ACCEPTED if families.accepts(name, model.model_type)]
        hint = translate("models.use_console", console=others[0]) if others else ""
        found.append(
            translate(
                "models.refused_type",
                console=model.profile,
                number=model.model_type,
                name=model.hbm.name,
                hint=hint,
            )
        )
    is_useless = model.template is not None and _needs_template(model) and model.template.suffix == ".json"
    # Without the tokenizer's folder, which holds the template, one sentence names the folder.
    if is_useless or (model.template is None and sdk.is_dir(model.tokenizer_dir)):
        found.append(translate("models.no_template", name=model.hbm.name))
    if model.profile == "vlm" and families.vision(model.hbm.name) is None and "model_type" not in model.vlm:
        found.append(translate("models.unknown_vision", name=model.hbm.name))
    return found


def _needs_template(model: ModelSpec) -> bool:
    return model.profile in _READS_TEMPLATE and not (model.profile == "oellm_run" and model.model_type == _INTERNLM)


def _is_program(path: Path) -> bool:
    return sdk.is_file(path) and os.access(path, os.X_OK)
