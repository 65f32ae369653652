"""Ollama's requests and names as pure functions."""

from __future__ import annotations

from typing import Any

import pytest

from bpu.chat.model_card import ModelCard
from bpu.chat.ollama import parse_ollama_chat, tags_entry
from bpu.chat.ollama.names import resolve, tagged
from bpu.errors import BadRequest

IDS = ["deepseek-r1:1.5b", "deepseek-r1:1.5b-think", "qwen", "qwen-think", "org/big:7b", "org/big:14b"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("deepseek-r1:1.5b", "deepseek-r1:1.5b"),
        ("DEEPSEEK-R1:1.5B-THINK", "deepseek-r1:1.5b-think"),
        ("deepseek-r1", "deepseek-r1:1.5b"),
        ("registry.ollama.ai/library/deepseek-r1:1.5b", "deepseek-r1:1.5b"),
        ("qwen:latest", "qwen"),
        ("qwen-think", "qwen-think"),
        ("big:7b", "org/big:7b"),
        ("org/big:14b", "org/big:14b"),
        ("big", None),
        ("big:latest", None),
        ("deepseek-r1:7b", None),
        ("", None),
    ],
)
def test_08_names(name: str, found: str | None) -> None:
    assert resolve(name, IDS) == found


def test_a_tag_is_behind_the_last_slash() -> None:
    assert tagged("host:5000/qwen") == "host:5000/qwen:latest"
    assert tagged("qwen:7b") == "qwen:7b"


def test_a_model_that_does_not_reason_refuses_to_be_told_to_think() -> None:
    body: dict[str, Any] = {"model": "qwen", "messages": [{"role": "user", "content": "Hi"}]}
    options: dict[str, Any] = {"models": ["qwen"], "reasons": False}
    assert parse_ollama_chat({**body, "think": False}, **options).thinking is False
    assert parse_ollama_chat(body, **options).thinking is True
    with pytest.raises(BadRequest, match='"qwen" does not support thinking'):
        parse_ollama_chat({**body, "think": True}, **options)


def test_a_model_of_which_little_is_known() -> None:
    entry = tags_entry(ModelCard("mystery", reasons=False))
    assert entry["capabilities"] == ["completion", "tools"]
    details = entry["details"]
    assert (details["family"], details["parameter_size"], details["quantization_level"]) == ("unknown",) * 3


def test_the_size_and_the_quantization_stand_in_the_file_s_name() -> None:
    card = ModelCard("x", file="Qwen2.5_1.5B_Instruct_w8a8_4096.hbm", config={"model_type": "qwen2"})
    assert (card.parameter_size, card.parameter_count, card.quantization) == ("1.5B", 1_500_000_000, "W8A8")
    assert ModelCard("qwen:500m").parameter_count == 500_000_000
