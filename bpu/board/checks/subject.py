"""What is examined: one gateway's settings on one machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bpu.board import tools
from bpu.board.addresses import Address, local_addresses
from bpu.board.layout import board_model, is_board
from bpu.models.catalogue import need_of
from bpu.models.memory import Need
from bpu.models.spec import ModelSpec
from bpu.settings import Settings

_PATHS = {"runtime_dir", "console", "hbm_path", "tokenizer_dir", "template_path"}


@dataclass(frozen=True)
class Subject:
    """`context` in tokens, `model_type` and `profile` are what the engine would use; `user` is who runs the gateway.

    `models` are all of the table, the one that `settings` describe first.
    """

    settings: Settings
    context: int
    model_type: int
    profile: str
    user: str
    root: Path = Path("/")
    run: Callable[..., tools.Result] = tools.run
    find: Callable[[str], str | None] = tools.find
    addresses: Callable[[], Sequence[Address]] = local_addresses
    hostname: str = ""
    models: tuple[ModelSpec, ...] = ()

    @property
    def board(self) -> str:
        """What the board calls itself; "" on another machine."""
        return board_model(self.root) if is_board(self.root) else ""

    @property
    def console(self) -> Path:
        return self.settings.in_runtime(self.settings.console)

    @property
    def model(self) -> Path:
        return self.settings.in_runtime(self.settings.hbm_path)

    @property
    def model_size(self) -> int | None:
        """Bytes; None when the file is not there."""
        try:
            return self.model.stat().st_size if self.model.is_file() else None
        except OSError:
            return None

    @property
    def need(self) -> Need | None:
        """What the model takes of the BPU's memory; None when neither its file nor the catalogue tells."""
        if self.models:
            return need_of(self.models[0])
        return None if self.model_size is None else Need(self.model_size, self.model_size, "file")

    @property
    def wants_console(self) -> bool:
        """Whether a console is to answer, so that a missing file is a fault; else the simulator does."""
        if self.settings.engine != "auto":
            return self.settings.engine == "console"
        return bool(self.board) or bool(self.settings.explicit & _PATHS) or self.console.is_file()
