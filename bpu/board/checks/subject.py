"""The subject of the checks: one gateway's settings on one machine."""

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
    """Settings and machine that are checked; `context` (tokens), `model_type`, `profile` are those of the engine.

    `user` runs the gateway. `models` are all of the table, the one that `settings` describe first.
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
    #: Whether clients in the network of an address are served without a key.
    serves: Callable[[str], bool] = lambda ip: True
    #: Whether a gateway answers at a port of this machine.
    is_gateway: Callable[[int], bool] = lambda port: False
    hostname: str = ""
    models: tuple[ModelSpec, ...] = ()

    @property
    def board(self) -> str:
        """The model in the device tree of a board whose BPU may run a console.

        It is "" on another machine.
        """
        return board_model(self.root) if is_board(self.root) else ""

    @property
    def console(self) -> Path:
        """The path of the console program; a relative one begins at the runtime folder."""
        return self.settings.in_runtime(self.settings.console)

    @property
    def model(self) -> Path:
        """The path of the model file; a relative one begins at the runtime folder."""
        return self.settings.in_runtime(self.settings.hbm_path)

    @property
    def model_size(self) -> int | None:
        """Bytes of the model file; None if it does not exist."""
        try:
            return self.model.stat().st_size if self.model.is_file() else None
        except OSError:
            return None

    @property
    def need(self) -> Need | None:
        """BPU memory that the model needs; None if neither its file nor the catalogue says."""
        if self.models:
            return need_of(self.models[0])
        return None if self.model_size is None else Need(self.model_size, self.model_size, "file")

    @property
    def wants_console(self) -> bool:
        """Whether the settings ask for a console, so that a missing file is a failure.

        Else the simulator answers.
        """
        if self.settings.engine != "auto":
            return self.settings.engine == "console"
        return bool(self.board) or bool(self.settings.explicit & _PATHS) or self.console.is_file()
