"""Errors of the commands for the board; each message says what a person can do."""

from __future__ import annotations

from typing import Any

from bpu.errors import EngineUnavailable
from bpu.messages import translate


class BoardError(EngineUnavailable):
    """The board is in an unexpected state, or this user may not change it."""

    code = "board"

    def __init__(self, key: str, /, **values: Any) -> None:
        """`key` is `area.name` of the catalogue; `values` fill its placeholders."""
        super().__init__(translate(key, **values))
        self.key = key


class InvalidPoolRequest(BoardError):
    """The requested pools are invalid; the exit code is that of a wrong option."""

    exit_code = 2
