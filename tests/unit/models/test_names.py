"""What file names tell, by the names that the vendor's lists hold."""

from __future__ import annotations

import pytest

from bpu.models.families import model_type, thinking
from bpu.models.names import NameFacts, board_of, can_run, read_name

QWEN3 = "Qwen3-8B_language_chunk_512_cache_4096_w4_nash-p_corenum_4_4.hbm"


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("DeepSeek_R1_Distill_Qwen_1.5B_4096.hbm", NameFacts("language", 4096)),
        ("Qwen2.5_7B_Instruct_1024.hbm", NameFacts("language", 1024)),
        ("minicpm5-2b_ctx4096_s100p.hbm", NameFacts("language", 4096, board="S100P")),
        ("minicpm5-2b_ctx4096_s100.hbm", NameFacts("language", 4096, board="S100")),
        (QWEN3, NameFacts("language", 4096, 512, "S600", 4)),
        (QWEN3.replace("4_4", "2_2").replace("nash-p", "nash-m"), NameFacts("language", 4096, 512, "S100P", 2)),
        ("gemma4-e2b_lm_chunk_256_cache_4096_ptq.hbm", NameFacts("language", 4096, 256)),
        ("Qwen3-VL-8B-Instruct_vision_448x448_w8-4_nash-p_corenum_4.hbm", NameFacts("vision", board="S600", cores=4)),
        ("whisper-medium_audio_decode_w8_nash-p_corenum_1_1.hbm", NameFacts("other")),
        ("Pi0_hammer-beat-block_language_w8_nash-p_corenum_4.hbm", NameFacts("other")),
        ("gemma4-e2b_vit_ptq.hbm", NameFacts("other")),
        ("vit_model_int16.hbm", NameFacts("other")),
        ("Qwen2.5_Omni_3B_Text.hbm", NameFacts()),
        ("something_nash-p_else.hbm", NameFacts(board="S600")),
        ("R1_41.hbm", NameFacts()),
        ("", NameFacts()),
    ],
)
def test_a_name_tells_what_it_holds_and_no_more(name: str, facts: NameFacts) -> None:
    assert read_name(name) == facts


@pytest.mark.parametrize(
    ("model", "board"),
    [
        ("D-Robotics RDK S100 V1P1", "S100"),
        ("D-Robotics RDK S100P V1P0", "S100P"),
        ("d-robotics rdk s600 mcb v0p2\0", "S600"),
        ("D-Robotics RDK X5 V1.0", "X5"),
        ("Hobot X3 PI V2.1 (Linux)", "X3"),
        ("D-Robotics RDK S6000", None),
        ("Raspberry Pi 5", None),
        ("", None),
    ],
)
def test_the_device_trees_name_of_a_board(model: str, board: str | None) -> None:
    assert board_of(model) == board


def test_only_the_s600_and_the_others_cannot_run_each_others_files() -> None:
    assert not can_run("S600", "S100")
    assert not can_run("S600", "S100P")
    assert not can_run("S100", "S600")
    assert not any(can_run(made_for, "X5") for made_for in ("S100", "S100P", "S600"))
    assert can_run("S100P", "S100")
    assert can_run(None, "S100")
    assert can_run("S600", None)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("DeepSeek_R1_Distill_Qwen_1.5B_4096.hbm", {"0.9": 3, "1.0": 1, "S600": 1}),
        ("Qwen2.5_1.5B_Instruct_1024.hbm", {"1.0": 7, "S600": 7}),
        ("InternLM2_1.8B_1024.hbm", {"0.9": 2, "1.0": 4}),
        ("minicpm5-2b_ctx4096_s100.hbm", {"1.0": 1}),
        (QWEN3, {"S600": 9}),
        ("mine_4096.hbm", {"0.9": 3, "1.0": 1, "S600": 1}),
    ],
)
def test_the_number_of_a_family_depends_on_the_sdk(name: str, numbers: dict[str, int]) -> None:
    assert {sdk: model_type(name, sdk) for sdk in numbers} == numbers  # type: ignore[arg-type]


def test_who_opens_the_thinking_follows_from_the_family() -> None:
    assert thinking(QWEN3) == "model"
    assert thinking("minicpm5-2b_ctx4096_s100.hbm") == "off"
    assert thinking("Qwen2.5_1.5B_Instruct_1024.hbm") == "none"
    assert thinking("Qwen3-VL-4B-Instruct_language_chunk_512_cache_1024_w4_nash-p_corenum_4_4.hbm") == "none"
    assert thinking("DeepSeek_R1_Distill_Qwen_1.5B_4096.hbm") == "auto"
