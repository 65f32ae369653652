"""Counts by the model's own tokenizer, the estimate, and the count of a text in pieces."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.tokens import Counter, IncrementalTokenCounter, Tokens, load_counter
from bpu.errors import SettingsError

from .kit import BOS, PROPERTY, counter, counting, pieces, tokenizer


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("Hi", 1),
        ("Hello", 2),
        ("a b", 2),
        ("你好世界", 4),
        ("a" * 40, 10),
        ("!?", 2),
        ("\n\n\n", 1),
        ("🤔", 2),
    ],
)
def test_the_estimate(text: str, tokens: int) -> None:
    guess = load_counter(None)
    assert not guess.exact
    assert guess.count(text) == tokens


def test_the_models_own_tokenizer_counts_special_words_as_one(tmp_path: Path) -> None:
    tokenizer().save(str(tmp_path / "tokenizer.json"))
    exact = load_counter(tmp_path)
    assert exact.exact
    assert exact.count(f"{BOS}Hi") == 1 + exact.count("Hi")
    assert exact.count("") == 0


def test_a_folder_without_a_tokenizer_means_the_estimate(tmp_path: Path) -> None:
    assert not load_counter(tmp_path).exact


def test_without_the_library_there_is_the_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert not load_counter(tmp_path).exact


def test_a_broken_tokenizer_says_so_at_its_first_use(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    broken = load_counter(tmp_path)
    with pytest.raises(SettingsError, match="BPU_TOKENIZER_DIR"):
        broken.count("Hi")


def test_the_tokenizer_is_loaded_once_and_late() -> None:
    loads = []

    def load() -> Tokens:
        loads.append(1)
        return Tokens(ends=lambda text: range(len(text)), count=len)

    lazy = Counter(load)
    assert loads == []
    assert lazy.count("abc") + lazy.count("de") == 5
    assert loads == [1]


TEXTS = st.lists(
    st.sampled_from(
        ["The weather", " in Paris", "今天天气", "，", "很好。", "🤔", "\n", "  ", "'s", "x1", "—", "e\u0301", "é"]
    ),
    max_size=60,
).map("".join)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Counter:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer().save(str(folder / "tokenizer.json"))
    return load_counter(folder)


@PROPERTY
@given(text=TEXTS | st.text())
def test_the_quick_count_is_the_number_of_ends(saved: Counter, text: str) -> None:
    assert saved.count(text) == len(saved.ends(text))


@PROPERTY
@given(TEXTS, st.lists(st.integers(0, 600), max_size=20))
def test_pieces_count_as_the_whole(text: str, cuts: list[int]) -> None:
    token_counter = IncrementalTokenCounter(counter())
    for piece in pieces(text, cuts):
        token_counter.add(piece)
    assert token_counter.total == counter().count(text)


def test_the_cost_of_counting_pieces_is_linear() -> None:
    looked_at = 0

    def ends(text: str) -> range:
        nonlocal looked_at
        looked_at += len(text)
        return range(len(text))

    costs = []
    for length in (4_000, 8_000):
        looked_at = 0
        token_counter = IncrementalTokenCounter(counting(ends))
        for _ in range(length):
            token_counter.add("a")
            token_counter.room("a", 10**6)
        assert token_counter.total == length
        costs.append(looked_at)
    assert costs[1] < 2.5 * costs[0]
