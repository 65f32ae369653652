"""The table of models: `models.toml`, or one entry made from the settings.

All mistakes are reported at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bpu.errors import SettingsError
from bpu.messages import has, translate
from bpu.models.lines import Place, duplicate_line, line_of, lines
from bpu.models.spec import Entry, ModelSpec, from_settings, resolve
from bpu.settings import Settings, data_dir
from bpu.trusted_files import read_trusted

SYSTEM_FILE = Path("/etc/bpu/models.toml")
_ARRAY = "model"
_KEYS = ("default", _ARRAY)
#: The keys that decide whether the others are right.
_DECISIVE_KEYS = frozenset({"profile", "console", "runtime_dir", "hbm", "vision"})
#: More entries than any board has; a limit, because each entry takes time to resolve.
_MOST_ENTRIES = 200

Mistake = tuple[Place, str]


@dataclass(frozen=True)
class ModelTable:
    """All models of the board. `default` is an id; `path` is None without a file."""

    models: tuple[ModelSpec, ...]
    default: str
    path: Path | None = None

    def find(self, name: str) -> ModelSpec | None:
        """Return the model with this id or alias; None if there is none."""
        return next((model for model in self.models if name in model.names), None)

    @property
    def default_model(self) -> ModelSpec:
        """The model whose name is `default`; every table has it."""
        found = self.find(self.default)
        assert found is not None, "`load_table` accepts only a default that exists"
        return found


def table_file(settings: Settings) -> Path | None:
    """Find the file of the table.

    It is the one that is set, else the system's, else the one in the data folder; None if there is none.
    """
    if settings.models_file is not None:
        return settings.models_file
    places = (SYSTEM_FILE, data_dir(settings) / SYSTEM_FILE.name)
    # A file in a folder that this user cannot read counts as missing.
    return next((path for path in places if os.access(path, os.F_OK)), None)


def writable_file(settings: Settings) -> Path:
    """Return the file for new entries.

    The present table, else the first file that this user may create.
    """
    found = table_file(settings)
    if found is not None:
        return found
    nearest = next(folder for folder in SYSTEM_FILE.parents if os.access(folder, os.F_OK))
    return SYSTEM_FILE if os.access(nearest, os.W_OK | os.X_OK) else data_dir(settings) / SYSTEM_FILE.name


@dataclass(frozen=True)
class _Snapshot:
    """The path and text of the table's file when it was read.

    `path` is None without a file.
    """

    path: Path | None
    text: str = ""

    def table(self, settings: Settings) -> ModelTable:
        if self.path is None:
            one = from_settings(settings)
            return ModelTable((one,), one.id)
        return read_table(self.text, settings, self.path)


#: Snapshots that `hold_table` has accepted, by the paths where a table is searched.
_held_snapshots: dict[Place, _Snapshot] = {}


def load_table(settings: Settings) -> ModelTable:
    """Return the table held by this process, else read the file.

    Raises `SettingsError` with every mistake and line.
    """
    return (_held_snapshots.get(_table_key(settings)) or _read(settings)).table(settings)


def hold_table(settings: Settings) -> None:
    """Read and check the file, and keep its text.

    It holds for this process and its forks, until the next call. gunicorn's master calls it, so that all workers use
    the same table even if the file changes. After `SettingsError` the previous text is kept.
    """
    snapshot = _read(settings)
    snapshot.table(settings)
    _held_snapshots[_table_key(settings)] = snapshot


def holds_table(settings: Settings) -> bool:
    """Whether this process holds the text of the table of `settings`."""
    return _table_key(settings) in _held_snapshots


def _table_key(settings: Settings) -> Place:
    return str(settings.models_file), str(SYSTEM_FILE), str(data_dir(settings))


def _read(settings: Settings) -> _Snapshot:
    path = table_file(settings)
    if path is None:
        return _Snapshot(None)
    try:
        return _Snapshot(path, read_trusted(path))
    except FileNotFoundError:
        raise SettingsError(translate("models.no_file", path=path)) from None


def default_model(settings: Settings) -> ModelSpec:
    """Return the model for requests that name none. Raises `SettingsError`."""
    return load_table(settings).default_model


def read_table(text: str, settings: Settings, path: Path) -> ModelTable:
    """Parse the table in `text`. Raises `SettingsError`."""
    document = _parse_toml(text, path)
    places = lines(text)
    mistakes = [*_top_level_mistakes(document)]
    models: list[ModelSpec] = []
    for number, raw in enumerate(_entries(document)):
        place: Place = (_ARRAY, number)
        try:
            entry = Entry.model_validate(raw)
        except ValidationError as error:
            mistakes += [((*place, *_path(item["loc"])), _rule_text(item)) for item in error.errors()]
            wrong = {str(item["loc"][0]) for item in error.errors()}
            if wrong & _DECISIVE_KEYS:
                continue
            # The other keys may contradict each other, which is a mistake to report too.
            entry = Entry.model_validate({"id": "?", **{key: raw[key] for key in raw if key not in wrong}})
        models.append(resolve(entry, settings, folder=path.parent, line=line_of(place, places)))
        mistakes += [((*place, key), words) for key, words in _entry_mistakes(models[-1], entry)]
    mistakes += [*_name_mistakes(_entries(document)), *_default_mistakes(document)]
    if mistakes:
        raise SettingsError(_report(path, mistakes, places))
    return ModelTable(tuple(models), document.get("default") or models[0].id, path)


def _parse_toml(text: str, path: Path) -> Mapping[str, Any]:
    import tomlkit  # most boards have no table, and its import takes a moment
    from tomlkit.exceptions import ParseError, TOMLKitError

    try:
        return tomlkit.parse(text).unwrap()
    except (TOMLKitError, ValueError, RecursionError) as error:
        reason = str(error).partition(" at line ")[0].rstrip(".")
        line = _line_of_duplicate(text) if "already exists" in reason else None
        line = line or (error.line if isinstance(error, ParseError) else 1)
        raise SettingsError(translate("models.not_toml", path=path, line=line, reason=reason)) from None


def _line_of_duplicate(text: str) -> int | None:
    """Find the line of a repeated key, because the parser reports another line."""
    try:
        return duplicate_line(text)
    except (ValueError, RecursionError):
        return None


def _entries(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = document.get(_ARRAY)
    is_array = isinstance(found, list) and all(isinstance(entry, dict) for entry in found)
    return found[:_MOST_ENTRIES] if found and is_array else []


def _top_level_mistakes(document: Mapping[str, Any]) -> Iterator[Mistake]:
    for key in document:
        if key not in _KEYS:
            yield (key,), translate("models.unknown_key", key=key, keys=", ".join(_KEYS))
    found = document.get(_ARRAY, [])
    if not _entries(document):
        yield (_ARRAY,), translate("models.no_entry")
    elif len(found) > _MOST_ENTRIES:
        yield (_ARRAY, _MOST_ENTRIES), translate("models.too_many", most=_MOST_ENTRIES)


def _entry_mistakes(model: ModelSpec, entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield the keys of an entry that contradict each other."""
    for key in ("vit", "embeddings", "vlm"):
        if getattr(entry, key) and not model.vision:
            yield key, translate("models.needs_vision", key=key)
    if entry.vision and model.profile != "vlm":
        yield "vision", translate("models.vision_needs_vlm", profile=model.profile)
    if model.facts.kind != "language" and "hbm" in model.explicit_paths:
        yield "hbm", translate("models.not_a_language_model", name=model.hbm.name)


def _name_mistakes(entries: list[Mapping[str, Any]]) -> Iterator[Mistake]:
    """Yield the names that occur twice."""
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        aliases = entry.get("aliases")
        others = [("aliases", name) for name in aliases] if isinstance(aliases, list) else []
        for key, name in [("id", entry.get("id")), *others]:
            if not isinstance(name, str):
                continue
            if name in seen:
                yield (_ARRAY, number, key), translate("models.taken_name", name=name)
            seen.add(name)


def _default_mistakes(document: Mapping[str, Any]) -> Iterator[Mistake]:
    name = document.get("default")
    if name is None:
        return
    ids = [entry["id"] for entry in _entries(document) if "id" in entry]
    if name not in ids:
        yield ("default",), translate("models.no_such_default", name=name, ids=", ".join(map(str, ids)))


def _path(location: tuple[int | str, ...]) -> Place:
    """Return the key of a mistake without an element's index, which has no line."""
    return tuple(part for part in location if isinstance(part, str) and part != "[key]")


def _rule_text(item: Any) -> str:
    """Describe a mistake by this project's message, else by pydantic's."""
    kind, key = item["type"], ".".join(str(part) for part in item["loc"] if part != "[key]")
    if kind == "extra_forbidden":
        return translate("models.unknown_key", key=key, keys=", ".join(Entry.model_fields))
    if kind == "missing":
        return translate("models.missing_key", key=key)
    rule = f"models.{kind}" if has(f"models.{kind}") else f"settings.{kind}"
    if kind != "value_error" and has(rule):
        words = translate(rule, **item.get("ctx", {}))
    else:
        words = str(item["msg"]).removeprefix("Value error, ").replace("Input should", "must")
    return translate("models.wrong_value", key=key, rule=words, value=repr(item["input"])[:80])


def _report(path: Path, mistakes: list[Mistake], places: Mapping[Place, int]) -> str:
    numbered = sorted({(line_of(place, dict(places)), words) for place, words in mistakes})
    rows = [translate("models.mistake", path=path, line=line, words=words) for line, words in numbered]
    return "\n  ".join([translate("models.wrong", path=path), *rows])
