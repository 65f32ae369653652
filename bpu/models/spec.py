"""Completes one model's entry from settings, file name and SDK, as the engine starts it.

`Entry` holds the keys of a `[[model]]` in `models.toml`; `resolve` makes a `ModelSpec` of it. Without a table the
settings are one entry with an id only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from bpu.console.profiles import PROFILES, profile_for
from bpu.messages import translate
from bpu.models import families, sdk
from bpu.models.families import Thinking
from bpu.models.names import NameFacts, read_name
from bpu.settings import Settings

#: All published image models see 448 by 448 pixels. Their logs show 256 tokens of prefill for an image
#: (docs/console-protocol.md#input), which is an upper bound for Qwen3-VL with its larger patches.
IMAGE_SIDE, IMAGE_TOKENS = 448, 256


def _one_name(value: str) -> str:
    if value.split() != [value] or not value.isprintable() or len(value) > 200:
        raise ValueError(translate("models.one_name"))
    return value


def _no_nul(value: str) -> str:
    """Refuse a NUL, which cannot be passed to a program or to the kernel."""
    if "\0" in value:
        raise ValueError(translate("models.no_nul"))
    return value


def _path_text(value: Any) -> Path:
    if not isinstance(value, str):
        raise ValueError(translate("models.string_type"))
    if not value:
        raise ValueError(translate("models.not_empty"))
    try:
        return Path(_no_nul(value)).expanduser()
    except RuntimeError:
        raise ValueError(translate("models.no_home")) from None


def _variable(value: str) -> str:
    if not value.isidentifier():
        raise ValueError(translate("models.variable"))
    return value


def _json_values(value: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError(translate("models.json_values")) from None
    return value


T = TypeVar("T")
Name = Annotated[str, AfterValidator(_one_name)]
Text = Annotated[str, AfterValidator(_no_nul)]
Variable = Annotated[str, AfterValidator(_variable)]
EntryPath = Annotated[Path, BeforeValidator(_path_text)]
#: TOML's arrays become tuples; what is in them is still taken strictly.
Names = Annotated[tuple[Name, ...], Field(strict=False)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Natural = Annotated[int, Field(ge=0)]


class Entry(BaseModel):
    """The keys of a `[[model]]`; None for a missing one."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    id: Name
    aliases: Names = ()
    profile: Literal["xlm_demo", "oellm_run", "oellm_multichat", "hobot_xlm", "vlm", "llm"] | None = None
    runtime_dir: EntryPath | None = None
    console: EntryPath | None = None
    hbm: EntryPath | None = None
    tokenizer_dir: EntryPath | None = None
    template: EntryPath | None = None
    model_type: Natural | None = None
    args: Texts | None = None
    env: dict[Variable, Text] = Field(default_factory=dict)
    context: Annotated[int, Field(ge=16, le=1 << 20)] | None = None
    thinking: Literal["template", "model", "off", "none"] | None = None
    vision: bool | None = None
    vit: EntryPath | None = None
    embeddings: EntryPath | None = None
    vlm: Annotated[dict[str, Any], AfterValidator(_json_values)] = Field(default_factory=dict)
    memory_mb: Natural | None = None
    preload: bool | None = None
    idle_unload_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    line_limit: Natural | None = None


@dataclass(frozen=True)
class ModelSpec:
    """One complete model. Paths are absolute; unknown values are None.

    `explicit_paths` are the keys of paths that a person has set. `line` is the entry's line in the table, or 0.
    """

    id: str
    aliases: tuple[str, ...]
    profile: str
    runtime_dir: Path
    console: Path
    hbm: Path
    tokenizer_dir: Path
    template: Path | None
    model_type: int
    args: tuple[str, ...]
    env: Mapping[str, str]
    context: int | None
    thinking: Thinking
    vision: bool
    vit: Path | None
    embeddings: Path | None
    vlm: Mapping[str, Any]
    memory_mb: int | None
    preload: bool
    idle_unload_s: float
    line_limit: int | None
    facts: NameFacts
    explicit_paths: frozenset[str]
    line: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Every name by which a client may ask for it."""
        return (self.id, *self.aliases)

    @property
    def libraries(self) -> Path:
        """The folder of the console's libraries, for `LD_LIBRARY_PATH`."""
        return sdk.library_folder(self.runtime_dir, self.console)

    @property
    def image_side(self) -> int:
        """Width and height in pixels of the images that the model sees.

        0 if its console takes none.
        """
        if not (self.vision and PROFILES[self.profile].image_command):
            return 0
        side = self.vlm.get("image_width")
        return side if isinstance(side, int) and side > 0 else IMAGE_SIDE

    @property
    def image_tokens(self) -> int:
        """Tokens that one image takes of the context."""
        return round(IMAGE_TOKENS * (self.image_side / IMAGE_SIDE) ** 2)

    @property
    def cores(self) -> int:
        """BPU cores that the file was compiled for.

        The S600's four if its name does not say.
        """
        return self.facts.cores or 4

    @property
    def cores_of_vision(self) -> int:
        """The vision model's BPU cores by its file's name, else the model's own."""
        return (read_name(self.vit.name).cores if self.vit else None) or self.cores


def from_settings(settings: Settings) -> ModelSpec:
    """Return the one model that the settings describe."""
    return resolve(Entry.model_construct(id=settings.model_id), settings)


def resolve(entry: Entry, settings: Settings, *, folder: Path | None = None, line: int = 0) -> ModelSpec:
    """Complete an entry by the settings, the model file's name and the SDK.

    An entry without `hbm` describes the settings' model, so settings take precedence. With `hbm`, the file's name and
    the SDK take precedence over the settings. A relative `runtime_dir` is below `folder`, that of the table.
    """
    own = entry.hbm is not None
    runtime = _resolve_path(folder or Path.cwd(), entry.runtime_dir) or settings.runtime_dir
    hbm = runtime / (entry.hbm or settings.hbm_path)
    facts = read_name(hbm.name)
    console, profile = _program(entry, settings, runtime, hbm)
    tokenizer_dir = _tokenizer(entry, settings, runtime, hbm)
    type_of_file = families.known_type(hbm.name, sdk.sdk_of(profile, runtime))
    context_of_file = facts.context or sdk.info_context(hbm)
    vision = profile == "vlm" if entry.vision is None else entry.vision
    return ModelSpec(
        id=entry.id,
        aliases=entry.aliases,
        profile=profile,
        runtime_dir=runtime,
        console=console,
        hbm=hbm,
        tokenizer_dir=tokenizer_dir,
        template=_template(entry, settings, runtime, tokenizer_dir),
        model_type=_first_known(
            entry.model_type,
            *_by_precedence(own, type_of_file, settings.model_type),
            families.model_type("", sdk.sdk_of(profile, runtime)),
        ),
        args=settings.console_args if entry.args is None else entry.args,
        env=entry.env,
        context=_first_known(entry.context, *_by_precedence(own, context_of_file, settings.context_size)),
        thinking=entry.thinking or _thinking(profile, hbm),
        vision=vision,
        vit=_resolve_path(hbm.parent, entry.vit) or (sdk.find_sibling(hbm, "*_vision_*.hbm") if vision else None),
        embeddings=_resolve_path(hbm.parent, entry.embeddings)
        or (sdk.find_sibling(hbm, "*_embed_tokens*.bin") if vision else None),
        vlm=entry.vlm,
        memory_mb=entry.memory_mb,
        preload=settings.preload if entry.preload is None else entry.preload,
        idle_unload_s=settings.idle_unload_s if entry.idle_unload_s is None else entry.idle_unload_s,
        line_limit=settings.line_limit if entry.line_limit is None else entry.line_limit,
        facts=facts,
        explicit_paths=_paths_set_by_person(entry, settings),
        line=line,
    )


def _thinking(profile: str, hbm: Path) -> Thinking:
    """Return how the model reasons: by its family; no image model's template opens the reasoning."""
    found = families.thinking(hbm.name)
    return "none" if found == "auto" and PROFILES[profile].image_command else found


#: The paths of an entry and the settings of the same meaning.
_PATHS = {
    "runtime_dir": "runtime_dir",
    "console": "console",
    "hbm": "hbm_path",
    "tokenizer_dir": "tokenizer_dir",
    "template": "template_path",
}


def _paths_set_by_person(entry: Entry, settings: Settings) -> frozenset[str]:
    set_by_person = settings.explicit
    return frozenset(
        key for key, field in _PATHS.items() if getattr(entry, key, None) is not None or field in set_by_person
    )


def _by_precedence(own: bool, from_file: T | None, setting: T | None) -> tuple[T | None, T | None]:
    """Return the file's value and the setting, the one with precedence first."""
    return (from_file, setting) if own else (setting, from_file)


def _first_known(*values: T | None) -> T:
    """Return the first value that is not None; None if all are."""
    return next((value for value in values if value is not None), None)  # type: ignore[return-value]


def as_settings(model: ModelSpec, settings: Settings) -> Settings:
    """Return settings that describe `model`; equal values stay as they were set."""
    wanted: dict[str, Any] = {
        "model_id": model.id,
        "runtime_dir": model.runtime_dir,
        "console": model.console,
        "hbm_path": model.hbm,
        "tokenizer_dir": model.tokenizer_dir,
        "template_path": model.template or settings.template_path,
    }
    now = {
        key: settings.in_runtime(value) if isinstance(value, Path) else value
        for key, value in _values(settings, wanted)
    }
    return settings.model_copy(update={key: value for key, value in wanted.items() if now[key] != value})


def _values(settings: Settings, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(settings, name)) for name in names)


def _resolve_path(folder: Path, path: Path | None) -> Path | None:
    return None if path is None else folder / path


def _program(entry: Entry, settings: Settings, runtime: Path, hbm: Path) -> tuple[Path, str]:
    """Find the console program and its profile.

    Either may follow from the other or from the SDK.
    """
    if entry.console is not None:
        console = runtime / entry.console
        return console, entry.profile or profile_for(console.name).name
    wanted = entry.profile or (None if settings.console_profile == "auto" else settings.console_profile)
    usual = runtime / settings.console
    is_wanted = entry.profile in (None, settings.console_profile, profile_for(usual.name).name)
    is_named = "console" in settings.explicit and entry.runtime_dir is None
    if is_wanted and (is_named or sdk.is_file(usual)):
        return usual, wanted or profile_for(usual.name).name
    names = (wanted,) if wanted else ("vlm",) if families.vision(hbm.name) else sdk.CONSOLES
    able = tuple(name for name in names if families.accepts(name, _type_for(name, entry, hbm, runtime)))
    found = sdk.find_console(runtime, able) or sdk.find_console(runtime, names)
    console = found or runtime / (f"bin/{wanted}" if entry.profile else settings.console)
    return console, wanted or profile_for(console.name).name


def _type_for(profile: str, entry: Entry, hbm: Path, runtime: Path) -> int | None:
    """Return the model type that a console of this profile would get.

    Return None if nothing says it.
    """
    if entry.model_type is not None:
        return entry.model_type
    return families.known_type(hbm.name, sdk.sdk_of(profile, runtime))


def _tokenizer(entry: Entry, settings: Settings, runtime: Path, hbm: Path) -> Path:
    """Find the tokenizer's folder: as set, else by the model's name, else the setting's default."""
    setting = runtime / settings.tokenizer_dir if "tokenizer_dir" in settings.explicit else None
    found = sdk.find_tokenizer(hbm, runtime)
    named = _resolve_path(runtime, entry.tokenizer_dir)
    usual = runtime / settings.tokenizer_dir
    family, other = (families.family_of(name, families.TYPES["1.0"]) for name in (hbm.name, usual.name))
    if family not in (None, other):
        usual = sdk.usual_tokenizer(hbm, runtime)  # the default is another family's
    return _first_known(named, *_by_precedence(entry.hbm is not None, found, setting), usual)


def _template(entry: Entry, settings: Settings, runtime: Path, tokenizer_dir: Path) -> Path | None:
    """Find the template: as set, else in the tokenizer's folder; None if there is none."""
    setting = runtime / settings.template_path if "template_path" in settings.explicit else None
    usual = runtime / settings.template_path if tokenizer_dir == runtime / settings.tokenizer_dir else None
    named, found = _resolve_path(runtime, entry.template), sdk.find_template(tokenizer_dir)
    return _first_known(named, *_by_precedence(entry.hbm is not None, found, setting), usual)
