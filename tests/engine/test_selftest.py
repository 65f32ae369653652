"""The self-test believes only a console that knew the word before the reset and not after it."""

from __future__ import annotations

import pytest

from bpu.engine.cache import Trust
from bpu.engine.selftest import SelfTest, Step


class Talker:
    """A console that keeps what it hears, and forgets it at `reset` or does not."""

    def __init__(self, *, keeps: bool, resets: bool) -> None:
        self.keeps, self.resets, self.memory = keeps, resets, ""

    def answer(self, line: bytes | None) -> str:
        if line is None:
            self.memory = "" if self.resets else self.memory
            return ""
        heard = self.memory + line.decode()
        self.memory = heard if self.keeps else ""
        return f"I remember: {heard}</think>OK"


@pytest.mark.parametrize(
    ("talker", "trust"),
    [
        (Talker(keeps=True, resets=True), Trust(keeps=True, resets=True)),
        (Talker(keeps=True, resets=False), Trust(keeps=True, resets=False)),
        (Talker(keeps=False, resets=True), Trust()),
        (Talker(keeps=False, resets=False), Trust()),
    ],
)
def test_what_a_console_is_trusted_with(talker: Talker, trust: Trust) -> None:
    test = SelfTest("K7Q2ZD")
    while test.step is not Step.OVER:
        test.heard(talker.answer(test.line()))
    assert test.trust == trust


def test_the_word_is_told_once_and_never_asked_for_by_name() -> None:
    test, lines = SelfTest("K7Q2ZD"), []
    while test.step is not Step.OVER:
        lines.append(test.line() or b"")
        test.heard("k7q2zd" if test.step is Step.ASK else "OK")
    assert [b"K7Q2ZD" in line for line in lines] == [True, False, False, False]
    assert all(b"\n" not in line for line in lines)
