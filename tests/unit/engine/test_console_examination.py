"""An examination trusts `reset` only if the words before it are gone and the one after it is not."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from bpu.engine.console_examination import ANSWERS, ConsoleExamination, Findings, Step, random_words

SEEDS = 10_000
TOLD = re.compile(r"secret word is (\w+)")
#: A model: which of the words in its memory, the oldest first, does it name in this answer?
Model = Callable[[list[str], random.Random], list[str]]


def examined(model: Model, *, keeps: bool, resets: bool, dice: random.Random) -> Findings:
    """The findings about a console with that model."""
    examination = ConsoleExamination(random_words(5, dice.choice))
    memory: list[str] = []
    while examination.step is not Step.OVER:
        line = examination.line()
        if line is None:
            memory = [] if resets else memory
            examination.on_reset()
            continue
        memory = (memory if keeps else []) + TOLD.findall(line.decode())
        named = model(memory, dice)
        examination.on_answer(f"<think>Let me see.</think> I know: {', '.join(named)}.")
    return examination.findings


def recalls_each(chance: float) -> Model:
    return lambda memory, dice: [word for word in memory if dice.random() < chance]


def recalls_all_or_nothing(chance: float) -> Model:
    return lambda memory, dice: memory if dice.random() < chance else []


def newest(memory: list[str], dice: random.Random) -> list[str]:
    return memory[-1:]


def newest_mostly(memory: list[str], dice: random.Random) -> list[str]:
    """It forgets a word the sooner the more was told after it."""
    return [word for age, word in enumerate(reversed(memory)) if dice.random() < 0.95 * 0.8**age]


def changes_its_mind(memory: list[str], dice: random.Random) -> list[str]:
    """Each answer has a chance of its own to recall."""
    chance = dice.uniform(0.5, 0.95)
    return [word for word in memory if dice.random() < chance]


def ignores(memory: list[str], dice: random.Random) -> list[str]:
    return []


def rambles(memory: list[str], dice: random.Random) -> list[str]:
    return [dice.choice(["well", "perhaps", "banana", "secret", "BATO", "dinosaur"]) for _ in range(200)]


MODELS: dict[str, Model] = {
    **{f"each at {chance:.0%}": recalls_each(chance) for chance in (0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 0.95)},
    **{f"all at {chance:.0%}": recalls_all_or_nothing(chance) for chance in (0.5, 0.7, 0.95)},
    "newest": newest,
    "newest mostly": newest_mostly,
    "changes its mind": changes_its_mind,
    "ignores": ignores,
    "rambles": rambles,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_reset_without_effect_is_trusted_at_most_once_in_a_thousand(name: str) -> None:
    """Measured with these seeds: at most 2 of 10,000."""
    dice = random.Random(f"false {name}")
    found = [examined(MODELS[name], keeps=True, resets=False, dice=dice) for _ in range(SEEDS)]
    assert sum(one.reset_works is True for one in found) <= SEEDS / 1000


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("resets", [True, False])
def test_a_console_without_history_is_never_trusted_and_never_accused(name: str, resets: bool) -> None:
    dice = random.Random(f"none {name} {resets}")
    found = {examined(MODELS[name], keeps=False, resets=resets, dice=dice) for _ in range(SEEDS // 10)}
    assert found == {Findings()}


@pytest.mark.parametrize("name", MODELS)
def test_a_reset_that_works_is_never_accused(name: str) -> None:
    dice = random.Random(f"true {name}")
    found = [examined(MODELS[name], keeps=True, resets=True, dice=dice) for _ in range(SEEDS // 10)]
    assert not any(one.reset_works is False for one in found)


@pytest.mark.parametrize(("chance", "share"), [(0.95, 0.6), (1.0, 1.0)])
def test_a_model_that_can_recall_is_trusted(chance: float, share: float) -> None:
    dice = random.Random("power")
    found = [examined(recalls_each(chance), keeps=True, resets=True, dice=dice) for _ in range(1000)]
    assert sum(one == Findings(True, True) for one in found) >= share * 1000


def test_a_recall_after_the_reset_is_found_out() -> None:
    found = examined(lambda memory, dice: memory, keeps=True, resets=False, dice=random.Random(1))
    assert found == Findings(retains_history=True, reset_works=False)


WORDS = ("BADEGIKO", "FULAMEPI", "ROTUVAZE", "KEPOLINA", "GIMODUBE")
FOUND = Findings(True, True)
ALL, NEW = "BADEGIKO, FULAMEPI, ROTUVAZE, KEPOLINA", "GIMODUBE"


def answered(*answers: str | tuple[str, bool]) -> ConsoleExamination:
    examination = ConsoleExamination(WORDS)
    for answer in answers:
        if examination.step is Step.RESET:
            examination.on_reset()
        text, complete = answer if isinstance(answer, tuple) else (answer, True)
        examination.on_answer(text, complete=complete)
    return examination


@pytest.mark.parametrize(
    ("answers", "findings"),
    [
        (["OK", ALL, NEW, NEW], Findings(True, True)),
        # However it is written, a recall is one.
        (["OK", ALL, NEW, "b-a-d-e-g-i-k-o"], Findings(True, False)),
        (["OK", ALL, "**Rotu vaze**"], Findings(True, False)),
        # Half a word is neither a recall nor its absence.
        (["OK", ALL, NEW, f"{NEW}, badeg..."], Findings(True)),
        # A part of the words is not enough before, and one listing of two is not enough after.
        (["OK", "BADEGIKO, FULAMEPI, ROTUVAZE"], Findings(True)),
        (["OK", ALL, NEW, "I do not know."], Findings(True)),
        (["OK", ALL, "I do not know.", NEW], Findings(True)),
        # An answer that was cut proves only what it says.
        (["OK", (ALL, False)], Findings(True)),
        (["OK", ALL, (NEW, False), NEW], Findings(True)),
        (["OK", ALL, (f"{NEW}, FULAMEPI", False)], Findings(True, False)),
        # The word that was told in the same line is no recall.
        (["OK", "KEPOLINA"], Findings()),
        (["OK", "I cannot share secrets."], Findings()),
    ],
)
def test_what_answers_prove(answers: list[str], findings: Findings) -> None:
    examination = answered(*answers)
    assert examination.findings == findings
    assert examination.step is Step.OVER


@pytest.mark.parametrize(("context", "findings"), [(0, FOUND), (4096, FOUND), (200, Findings(True))])
def test_an_answer_that_may_have_filled_the_context_is_not_taken_for_whole(context: int, findings: Findings) -> None:
    examination = ConsoleExamination(WORDS, context=context)
    for answer in ("OK", f"{'Well. ' * 60}{ALL}"):
        examination.on_answer(answer)
    if examination.step is Step.RESET:
        examination.on_reset()
        for _ in range(2):
            examination.on_answer(NEW)
    assert examination.findings == findings


def test_answers_left_count_down() -> None:
    left = [answered(*["OK", ALL, NEW, NEW][:count]).answers_left for count in range(ANSWERS + 1)]
    assert left == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("earlier", [None, True, False])
@pytest.mark.parametrize("later", [None, True, False])
def test_a_recall_beats_every_pass(earlier: bool | None, later: bool | None) -> None:
    merged = Findings(True, earlier).merged(Findings(None, later))
    assert merged.retains_history is True
    assert merged.reset_works is (False if False in (earlier, later) else earlier or later)


def test_words_are_different_each_time() -> None:
    words = [word for _ in range(50) for word in random_words(4)]
    assert len(set(words)) == len(words)
    assert all(word.isalpha() for word in words)
