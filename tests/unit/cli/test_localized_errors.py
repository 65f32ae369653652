"""Errors whose words are English on the wire have a meaning in Chinese in the terminal."""

from __future__ import annotations

import inspect

import pytest

from bpu import errors
from bpu.cli._errors import localized_message
from bpu.errors import BpuError, EngineCrashed, EngineUnavailable
from bpu.messages import has


def test_every_error_that_a_person_can_meet_in_the_terminal_has_its_meaning() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, BpuError)]
    assert len(kinds) > 10
    # Nobody is left to read that a client has left.
    assert [kind.code for kind in kinds if not has(f"errors.{kind.code}")] == ["client_left"]


def test_the_meaning_comes_first_and_the_english_words_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    error = EngineCrashed("The console ended. Send the request again.")
    assert localized_message(error) == error.message
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    meaning, original = localized_message(error).splitlines()
    assert "请重新提问" in meaning
    assert original == f"原文：{error.message}"
    assert localized_message(EngineUnavailable("引擎不在。")) == "引擎不在。"
    assert localized_message(EngineCrashed("Odd.", code="something_new")) == "Odd."
