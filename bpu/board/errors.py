"""Errors of the commands that look after the board: a person must act, and the message says how."""

from __future__ import annotations

from typing import Any

from bpu.errors import EngineUnavailable
from bpu.messages import say


class BoardError(EngineUnavailable):
    """Something on the board is not as it must be, or may not be changed by this user."""

    code = "board"

    def __init__(self, key: str, /, **values: Any) -> None:
        """`key` is `area.name` of the catalogue; `values` fill its placeholders."""
        super().__init__(say(key, **values))
        self.key = key


class InvalidPoolRequest(BoardError):
    """What was typed cannot be meant: an exit code as for a wrong option."""

    exit_code = 2
