"""The models that this gateway serves, each with its prompter. It knows no HTTP.

The model lists of all APIs are made from it. It reads small files, never the engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

from bpu.chat.model_card import ModelCard
from bpu.chat.requests import THINK_SUFFIX
from bpu.errors import EngineUnavailable, ModelNotFound, SettingsError
from bpu.model_parts import ModelParts

ModelStatus = Literal["loaded", "loading", "unloaded", "failed"]
#: The status of the engine's model by the engine's state: loaded means that it is in memory.
_STATUS: dict[str, ModelStatus] = {
    "starting": "loading",
    "checking": "loaded",
    "ready": "loaded",
    "busy": "loaded",
}


@dataclass(frozen=True)
class ServedModel:
    """One model of the table; `problem` says why it cannot be started, if so.

    `created` is the time of the model's file in seconds since 1970. `find_reasons` returns whether the model
    reasons; it may read the template. `image_side` is the width and height in pixels of the images that the model sees,
    0 for a model that reads text alone.
    """

    id: str
    aliases: tuple[str, ...]
    context_size: int
    is_context_public: bool
    created: int
    file: Path
    tokenizer_dir: Path
    idle_unload_s: float
    load_parts: Callable[[], ModelParts]
    find_reasons: Callable[[], bool]
    problem: str | None = None
    image_side: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The id and the aliases, the id first."""
        return (self.id, *self.aliases)

    @cached_property
    def parts(self) -> ModelParts:
        """The parts, read from the model's files at its first request. Raises `EngineUnavailable`."""
        if self.problem is not None:
            raise EngineUnavailable(self.problem)
        try:
            return self.load_parts()
        except SettingsError as error:
            raise EngineUnavailable(error.message) from error

    @cached_property
    def reasons(self) -> bool:
        """Whether the model reasons before it answers."""
        return self.find_reasons()

    @property
    def card(self) -> ModelCard:
        """The facts of the model for the lists of models."""
        return ModelCard(
            id=self.id,
            file=self.file.name,
            created=self.created,
            size=self.file.stat().st_size if self.file.is_file() else 0,
            context=self.context_size,
            is_context_public=self.is_context_public,
            reasons=self.reasons,
            sees=self.image_side > 0,
            config=_config(self.tokenizer_dir),
        )

    def is_loaded(self, engine: Mapping[str, Any]) -> bool:
        """Whether the model is in memory, by the engine's status."""
        return self.status(engine)[0] == "loaded"

    def status(self, engine: Mapping[str, Any]) -> tuple[ModelStatus, str | None]:
        """Return its status by the engine's status, and the reason of a failure."""
        if self.problem is not None:
            return "failed", self.problem
        is_current = engine.get("model", self.id) == self.id
        if is_current and engine["state"] == "failed":
            return "failed", engine["error"]
        if is_current and engine["state"] in _STATUS:
            return _STATUS[engine["state"]], None
        known = engine.get("models", {}).get(self.id, {})
        return ("failed", known["error"]) if known.get("error") else ("unloaded", None)


@dataclass(frozen=True)
class ServedModels:
    """All served models, the default one first; with `think_twins` each name also as `<name>-think`.

    A model of the table that has such a name itself is that model.
    """

    models: tuple[ServedModel, ...]
    think_twins: bool

    @property
    def default(self) -> ServedModel:
        """The default model, which is the first."""
        return self.models[0]

    @property
    def names(self) -> list[str]:
        """Every id and alias, without the twins."""
        return [name for model in self.models for name in model.names]

    @property
    def seeing(self) -> list[str]:
        """Every id and alias of the models that take images."""
        return [name for model in self.models if model.image_side for name in model.names]

    @property
    def listed(self) -> list[tuple[str, ServedModel]]:
        """Each id of the list of models with its model, twins last."""
        twins = [(f"{model.id}{THINK_SUFFIX}", model) for model in self.models if self.think_twins]
        return [(model.id, model) for model in self.models] + [twin for twin in twins if twin[0] not in self.names]

    def find(self, name: str) -> ServedModel:
        """Find the model of an id, an alias, or a twin. Raises `ModelNotFound`."""
        own = name if name in self.names or not self.think_twins else name.removesuffix(THINK_SUFFIX)
        for model in self.models:
            if own in model.names:
                return model
        raise ModelNotFound.named(name, [name for name, _ in self.listed])


@lru_cache(maxsize=64)
def _config(folder: Path) -> dict[str, Any]:
    """Read the model's `config.json`; empty if it cannot be read."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}
