"""The catalogue of public models, read from `catalogue.toml`. It uses no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from bpu.models.memory import Need, need_of_file
from bpu.models.names import Board, can_run
from bpu.models.spec import ModelSpec

PATH = Path(__file__).with_name("catalogue.toml")
_STRICT = ConfigDict(strict=True, frozen=True, extra="forbid")


class File(BaseModel):
    """One file of a model. `bytes` is the published size, None if there is none."""

    model_config = _STRICT

    url: str
    bytes: int | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None

    @property
    def name(self) -> str:
        """The last part of the URL's path, under which the file is saved."""
        return PurePosixPath(urlsplit(self.url).path).name


class Row(BaseModel):
    """One model.

    `checked` says whether this project has run it; `pull` whether its address is known.
    """

    model_config = _STRICT

    id: str
    name: str
    boards: Annotated[tuple[Board, ...], Field(strict=False, min_length=1)]
    sdk: str
    console: str
    context: int
    licence: str
    licence_of: Literal["file", "weights"]
    hbm: str
    tokenizer: Literal["sdk", "archive"]
    source: str
    checked: Literal["no"]
    pull: bool
    why: Literal["", "guessed_address", "guessed_name", "no_address", "no_console", "own_server", "second_sdk"] = ""
    note: Literal["", "own_program"] = ""
    thinking: Literal["template", "model", "off", "none"] | None = None
    memory: int | None = None
    largest: int | None = None
    archive: bool = False
    md5sums: str | None = None
    speed: Mapping[Board, float] = Field(default_factory=dict)
    file: Annotated[tuple[File, ...], Field(strict=False)] = ()

    @property
    def bytes(self) -> int | None:
        """Bytes to download; None if a file's size is unknown."""
        sizes = [one.bytes for one in self.file]
        return sum(size for size in sizes if size) if self.file and all(sizes) else None

    def runs_on(self, board: Board | None) -> bool:
        """Whether it is made for `board`; always true for an unknown board."""
        return board is None or board in self.boards

    @property
    def need(self) -> Need | None:
        """The BPU memory that its source names; None if it names none."""
        if self.memory is None:
            return None
        return Need(self.memory, self.largest or self.memory, "catalogue")


@lru_cache(maxsize=1)
def catalogue() -> tuple[Row, ...]:
    """Read all rows, in the order of the file."""
    import tomlkit  # few commands need it

    rows = tomlkit.parse(PATH.read_text(encoding="utf-8")).unwrap()["row"]
    return tuple(Row.model_validate(row) for row in rows)


def find(name: str, rows: Sequence[Row] | None = None) -> Row | None:
    """Return the row with the id `name`; None if there is none."""
    return next((row for row in rows or catalogue() if row.id == name), None)


def need_of(model: ModelSpec) -> Need | None:
    """Return the BPU memory that a model needs.

    It comes from its entry, else from the catalogue, else from the file's size.
    """
    size = _size(model.hbm)
    if model.memory_mb is not None:
        total = model.memory_mb << 20
        return Need(total, min(total, size or total), "entry")
    rows = [row for row in catalogue() if row.hbm == model.hbm.name and can_run(model.facts.board, row.boards[0])]
    if rows and rows[0].need is not None:
        return rows[0].need
    return None if size is None else need_of_file(size, model.facts)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
