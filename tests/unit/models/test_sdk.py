"""What is found in the vendor's SDKs: program, tokenizer, template and context of each model."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpu.models.readiness import missing_files, refusals
from bpu.models.spec import from_settings
from bpu.settings import Settings
from tests.support import sdks
from tests.unit.models.tables import read


def test_a_console_tokenizer_and_template_are_found_in_the_sdk(tmp_path: Path) -> None:
    runtime = sdks.s600(tmp_path)
    hbm = sdks.model(tmp_path / "Qwen3-4B_language_chunk_512_cache_4096_w4_nash-p_corenum_4_4.hbm")
    one = from_settings(Settings(runtime_dir=runtime, hbm_path=hbm))
    assert (one.console, one.profile) == (runtime / "examples/llm_demo/llm", "llm")
    assert one.tokenizer_dir == runtime / "configs/Qwen3_config"
    assert one.template == one.tokenizer_dir / "tokenizer_config.json"
    assert one.libraries == runtime / "lib"


#: The vendor's list for its SDKs: file, console, folder of the tokenizer, type; then its reason if none can run it.
VENDOR = [
    ("DeepSeek_R1_Distill_Qwen_1.5B_4096.hbm", "oellm_multichat", f"{sdks.R1}_config", 1, ""),
    ("DeepSeek_R1_Distill_Qwen_7B_1024.hbm", "oellm_multichat", f"{sdks.R1}_config", 1, ""),
    ("Qwen2.5_1.5B_Instruct_1024.hbm", "oellm_multichat", "Qwen2.5_1.5B_Instruct_config", 7, ""),
    ("Qwen2.5_7B_Instruct_1024.hbm", "oellm_multichat", "Qwen2.5_1.5B_Instruct_config", 7, ""),
    ("Qwen2.5_1.5B_1024.hbm", "oellm_multichat", "Qwen2.5_1.5B_Instruct_config", 7, ""),
    ("InternLM2_1.8B_1024.hbm", "oellm_run", "InternLM2_1.8B_config", 4, ""),
    ("InternVL2_2B_1024.hbm", "oellm_multichat", "InternVL2_2B_config", 0, "cannot chat with it"),
    ("Llama3_8B_1024.hbm", "oellm_multichat", "Llama3_8B_config", 3, "cannot chat with it"),
    ("Qwen2.5_Omni_3B_Text.hbm", "oellm_multichat", "Qwen2.5_1.5B_Instruct_config", 7, "No console runs"),
]


@pytest.mark.parametrize(("name", "console", "tokenizer", "number", "why"), VENDOR)
def test_each_model_of_the_s100s_sdk_gets_its_console_tokenizer_and_type(
    tmp_path: Path, name: str, console: str, tokenizer: str, number: int, why: str
) -> None:
    runtime = sdks.s100(tmp_path)
    hbm = sdks.model(runtime / "model" / name)
    [model] = read(f'[[model]]\nid = "m"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"\n').models
    assert (model.profile, model.tokenizer_dir.name, model.model_type) == (console, tokenizer, number)
    said = " ".join(refusals(model, "S100"))
    assert why in said
    assert bool(said) == bool(why), said
    # A tokenizer that is nowhere is named where it should be, and another family's is never used in its place.
    assert model.tokenizer_dir.is_dir() or str(model.tokenizer_dir) in " ".join(missing_files(model))


def test_a_file_of_the_second_sdk_generation_is_refused_beside_a_console_of_the_first(tmp_path: Path) -> None:
    runtime = sdks.s600(tmp_path)
    hbm = sdks.model(tmp_path / "m" / "MiniCPM5-2B_language_chunk_256_cache_4096_w8_nash-p_corenum_4_4.hbm")
    [model] = read(f'[[model]]\nid = "m"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"\n').models
    assert "OELLM 2.x" in " ".join(refusals(model, "S600"))
    assert str(runtime / "configs" / "MiniCPM5-2B_config") in " ".join(missing_files(model))


def test_the_context_is_read_beside_the_file_where_its_name_is_silent(tmp_path: Path) -> None:
    hbm = sdks.model(tmp_path / "model.hbm")
    assert from_settings(Settings(hbm_path=hbm)).context is None
    (tmp_path / "MODEL_INFO.json").write_text('{"context_length": 2048}')
    assert from_settings(Settings(hbm_path=hbm)).context == 2048
    (tmp_path / "MODEL_INFO.json").write_text('{"context_length": "many"}')
    assert from_settings(Settings(hbm_path=hbm)).context is None
