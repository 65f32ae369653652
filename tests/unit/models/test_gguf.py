"""GGUF metadata and the small files made of it; the GGUF file is untrusted."""

from __future__ import annotations

import json
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.loader import load_template
from bpu.chat.tokens import load_counter
from bpu.models.gguf import GgufError, read_metadata
from bpu.models.gguf_files import prepare
from tests.support.gguf_files import FACTS, TOKENS, gguf, head


def test_the_head_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_metadata(gguf(tmp_path / "m.gguf")) == dict(FACTS)


def test_a_model_becomes_the_files_that_a_console_needs(tmp_path: Path) -> None:
    model = prepare(gguf(tmp_path / "m.gguf"), tmp_path / "data")
    assert (model.id, model.context, model.counts_exactly) == ("tiny-chat:1k", 512, True)
    counter = load_counter(model.folder)
    assert counter.exact
    # hel lo | <|end|> | Ġ h i | <think>
    assert counter.count("hello<|end|> hi<think>") == 7
    template = load_template(model.template, model.folder)
    assert template.frame() == ("<|start|>user ", "<|end|><|start|>assistant ")
    assert template.between() == "<|end|><|start|>user "
    # What a person must not say are the control tokens; the tags of reasoning are words.
    assert set(template.special) == {"<|end|>", "<|start|>"}


def test_an_unknown_vocabulary_is_estimated_and_never_guessed(tmp_path: Path) -> None:
    unknown: list[dict[str, Any]] = [{"pre": "of-tomorrow"}, {"pre": None}, {"model": "llama"}, {"merges": None}]
    for number, changes in enumerate(unknown):
        model = prepare(gguf(tmp_path / f"{number}.gguf", **changes), tmp_path / "data")
        assert not model.counts_exactly, changes
        assert not load_counter(model.folder).exact


def test_a_file_that_was_replaced_is_read_anew_and_one_that_was_not_is_not(tmp_path: Path) -> None:
    path = gguf(tmp_path / "m.gguf")
    first = prepare(path, tmp_path / "data")
    (first.folder / "model.json").write_text(json.dumps({"id": "kept", "context": 1}))
    assert prepare(path, tmp_path / "data").id == "kept"
    gguf(path, basename="other")
    assert prepare(path, tmp_path / "data").id == "other:1k"


def test_many_processes_may_begin_at_once(tmp_path: Path) -> None:
    path = gguf(tmp_path / "m.gguf")
    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(lambda _: prepare(path, tmp_path / "data"), range(16)))
    assert len(set(models)) == 1
    assert [folder.name for folder in (tmp_path / "data").iterdir()] == [models[0].folder.name]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "ends too soon"),
        (b"GGML" + bytes(40), "does not begin with GGUF"),
        (b"GGUF" + struct.pack("<IQQ", 99, 0, 0), "version"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "keys"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 50), "text of"),
        (head({"a": [1]})[:-16] + struct.pack("<IQ", 5, 1 << 61), "array of"),
        (head({"a": 1})[:-8] + struct.pack("<I", 77) + bytes(8), "unknown type"),
        (head({"a": [[[["deep"]]]]}), "unknown type"),
        (head({"general.architecture": "llama"}), "no chat template"),
    ],
)
def test_a_hostile_file_is_refused_with_a_reason(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(GgufError, match=why):
        prepare(path, tmp_path / "data")
    assert list((tmp_path / "data").glob("*")) == []


@given(data=st.data())
def test_whatever_is_cut_off_or_changed_is_an_error_or_a_model_that_counts(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    whole = gguf(folder / "m.gguf").read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    kept = whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + data.draw(st.integers(0, 4)) :]
    (folder / "m.gguf").write_bytes(kept)
    try:
        model = prepare(folder / "m.gguf", folder / "data")
    except GgufError:
        return
    assert load_counter(model.folder).count("hello there") > 0


@given(tokens=st.lists(st.text(max_size=8), max_size=40), merges=st.lists(st.text(max_size=12), max_size=40))
def test_any_vocabulary_becomes_a_tokenizer_that_loads(
    tokens: list[str], merges: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("vocabulary")
    path = gguf(
        folder / "m.gguf", tokens=[*TOKENS, *tokens], token_type=[3] * (len(TOKENS) + len(tokens)), merges=merges
    )
    model = prepare(path, folder / "data")
    assert load_counter(model.folder).count("a b") > 0
