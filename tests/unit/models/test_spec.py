"""An entry becomes a model: its own keys, then what its file says, then the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpu.models.readiness import missing_files, refusals
from tests.support import sdks
from tests.unit.models.tables import ALL_KEYS, PATH, outcome, read


def test_every_key_is_taken() -> None:
    table = read(ALL_KEYS)
    one, other = table.models
    assert table.default_model is other
    assert (one.names, one.profile, one.model_type, one.context) == (("a", "a1", "a2"), "vlm", 11, 1000)
    assert one.runtime_dir == Path("/sdk")
    assert one.console == Path("/sdk/examples/vlm_demo/vlm")
    assert (one.tokenizer_dir, one.template) == (Path("/sdk/configs/x"), Path("/sdk/t.jinja"))
    assert (one.args, dict(one.env)) == (("-x", "1 2"), {"HB_X": "1", "EMPTY": ""})
    assert (one.vit, one.embeddings, dict(one.vlm)) == (Path("/m/v.hbm"), Path("/e.bin"), {"embed_dim": 2048})
    assert (one.memory_mb, one.preload, one.idle_unload_s, one.line_limit) == (3700, False, 60.0, 0)
    assert (one.thinking, one.vision, one.line) == ("none", True, 3)


def test_what_is_left_out_comes_from_its_setting_or_the_name_of_the_file() -> None:
    text = '[[model]]\nid = "m"\nhbm = "/x/Qwen3-4B_language_chunk_512_cache_2048_w4_nash-p_corenum_2_2.hbm"\n'
    [model] = read(text).models
    assert (model.context, model.cores, model.thinking) == (2048, 2, "model")
    settings = {"context_size": 1024, "model_type": 5, "preload": False, "idle_unload_s": 9, "line_limit": 77}
    # Settings of another model's file do not count where this one's name tells.
    [model] = read(text, **settings).models
    assert (model.context, model.preload, model.idle_unload_s, model.line_limit) == (2048, False, 9, 77)
    assert model.model_type != 5
    [model] = read('[[model]]\nid = "m"\nhbm = "/x/mine.hbm"\n', **settings).models
    assert (model.context, model.model_type) == (1024, 5)
    [model] = read('[[model]]\nid = "m"\n', **settings).models
    assert (model.context, model.model_type) == (1024, 5)


def test_settings_of_one_model_do_not_spoil_an_entry_of_another(tmp_path: Path) -> None:
    """As on a board that has run one model by settings, and gets another by its own entry."""
    old = tmp_path / "old" / "runtime"
    sdks.program(old / "bin" / "xlm_demo", "xlm_demo")
    r1 = sdks.tokenizer(old / "config" / "r1")
    (r1 / "r1.jinja").write_text("{{ messages[0].content }}")
    new, hbm = sdks.s100(tmp_path), sdks.minicpm5(tmp_path)
    settings = {
        "runtime_dir": old, "hbm_path": "r1.hbm", "tokenizer_dir": r1, "template_path": r1 / "r1.jinja",
        "model_type": 3, "context_size": 1024,
    }  # fmt: skip
    text = f'[[model]]\nid = "old"\n[[model]]\nid = "new"\nruntime_dir = "{new}"\nhbm = "{hbm}"\n'
    for more in ({}, {"console": "bin/xlm_demo"}):
        one, other = read(text, **settings, **more).models
        assert (one.console, one.tokenizer_dir, one.model_type, one.context) == (old / "bin/xlm_demo", r1, 3, 1024)
        assert (other.profile, other.console.parent.parent) == ("oellm_multichat", new / "example")
        assert (other.tokenizer_dir, other.model_type, other.context) == (hbm.parent / "tokenizer", 1, 4096)
        assert other.template == hbm.parent / "tokenizer" / "simple-chat.jinja"


def test_a_program_that_is_nowhere_is_named_where_it_should_be(tmp_path: Path) -> None:
    text = f'[[model]]\nid = "m"\nruntime_dir = "{tmp_path}"\nprofile = "llm"\n'
    [model] = read(text).models
    assert (model.console, model.profile) == (tmp_path / "bin" / "llm", "llm")
    assert str(model.console) in missing_files(model)[0]


ODD = [
    f'hbm = "{"a" * 5000}.hbm"',
    'hbm = "/"',
    'hbm = "/proc/self/mem"',
    'tokenizer_dir = "/proc"',
    'runtime_dir = "~nobody-of-this-name/x"',
    "idle_unload_s = inf",
    "idle_unload_s = nan",
    "context = 99999999999999999999",
    'vlm = { a = 1979-05-27 }\nprofile = "vlm"',
    'vlm = { a = nan }\nprofile = "vlm"',
    'env = { "" = "x" }',
    'env = { A = "\\u0000" }',
    'aliases = ["\\u202e"]',
    "aliases = [[]]",
    "model_type = true",
    "vlm." + ".".join("a" * 95) + ' = 1\nprofile = "vlm"',
]


@pytest.mark.parametrize("line", ODD)
def test_whatever_an_entry_holds_the_end_is_a_model_or_a_sentence(line: str) -> None:
    table = outcome(f'[[model]]\nid = "a"\n{line}\n')
    if isinstance(table, str):
        assert f"{PATH}:3:" in table
    else:
        assert missing_files(table.default_model)
        assert isinstance(refusals(table.default_model, "S100"), list)
