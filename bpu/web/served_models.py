"""The models that this gateway serves, each with what turns its requests into turns. It knows no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from bpu.chat.prompt import Prompter
from bpu.chat.requests import THINK_SUFFIX
from bpu.chat.tokens import Counter
from bpu.errors import EngineUnavailable, ModelNotFound, SettingsError

ModelStatus = Literal["loaded", "loading", "unloaded", "failed"]
#: What a model is when the engine has it, by the engine's state.
_STATUS: dict[str, ModelStatus] = {
    "starting": "loading",
    "checking": "loading",
    "ready": "loaded",
    "busy": "loaded",
}


@dataclass(frozen=True)
class ModelParts:
    """What is read from a model's files: its prompter and its counter of tokens."""

    prompter: Prompter
    counter: Counter


@dataclass(frozen=True)
class ServedModel:
    """One model of the table, in a worker. `problem` says why it cannot be started here, None when it can.

    `created` is in seconds since 1970: the age of the model's file.
    """

    id: str
    aliases: tuple[str, ...]
    context_size: int
    created: int
    load_parts: Callable[[], ModelParts]
    thinks: bool = True
    problem: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.id, *self.aliases)

    @cached_property
    def parts(self) -> ModelParts:
        """Read from its files at the first request for it. Raises `EngineUnavailable`."""
        if self.problem is not None:
            raise EngineUnavailable(self.problem)
        try:
            return self.load_parts()
        except SettingsError as error:
            raise EngineUnavailable(error.message) from error

    def status(self, engine: Mapping[str, Any]) -> tuple[ModelStatus, str | None]:
        """Its status by the engine's, and the reason of a failure."""
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
    """All of them, the default one first. With `think_twins` each name is also served as `<name>-think`."""

    models: tuple[ServedModel, ...]
    think_twins: bool

    @property
    def default(self) -> ServedModel:
        return self.models[0]

    @property
    def names(self) -> list[str]:
        """Every id and alias, the twins not among them."""
        return [name for model in self.models for name in model.names]

    @property
    def listed(self) -> list[tuple[str, ServedModel]]:
        """Each id of the list of models with its model, twins last."""
        return [(model.id, model) for model in self.models] + [
            (f"{model.id}{THINK_SUFFIX}", model) for model in self.models if self.think_twins
        ]

    def find(self, name: str) -> ServedModel:
        """The model of an id, an alias, or a twin. Raises `ModelNotFound`."""
        for model in self.models:
            if name in model.names or (self.think_twins and name in _twins(model.names)):
                return model
        served = " and ".join(name for name, _ in self.listed)
        raise ModelNotFound(f"The model `{name[:100]}` does not exist. This gateway serves {served}.", param="model")


def _twins(names: Iterable[str]) -> Iterator[str]:
    return (f"{name}{THINK_SUFFIX}" for name in names)
