"""Runs `connect`, and the board at which its settings point."""

from __future__ import annotations

from click.testing import CliRunner

from bpu.chat.model_card import ModelCard
from bpu.cli import main
from bpu.cli._endpoint import Endpoint

HERE = Endpoint("http://192.168.137.100:8000/v1", "key-1", (ModelCard("deepseek-r1:1.5b"),))


def shown(*words: str) -> str:
    result = CliRunner().invoke(main, ["connect", *words])
    assert result.exit_code == 0, result.output
    return result.stdout
