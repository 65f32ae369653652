"""The step that reads images: whatever comes between, its end is proven as an answer's is, and no words forge it."""

from __future__ import annotations

from itertools import product

import pytest

from bpu.console.events import Done, Event, Ready, RunError, Stats, Text
from bpu.console.pace import Arrival
from bpu.console.parser import Parser, ParserState
from bpu.console.profiles import PROFILES, confirm_profile
from bpu.console.traits import Traits

LINE = b"/image /run/bpu/images/1.bmp"
PROMPT = b"[User] <<< "
MARKER = b"\n[Assistant] >>> "
FIGURES = (
    b"\n\n\x1b[38;2;0;128;255m===== vit cost: 42.733000 ms, vit infer cost: 41.200000 ms =====\n"
    b"===== prefill token num: 256 prefill cost: 46.254000 ms, prefill speed: 5534.656000 tokens/s =====\n"
    b"===== decode token num: 0 cost per token: 0.000000 ms, decode speed: 0.000000 tokens/s =====\n\x1b[0m\n"
)
STEP_S = 0.02


def begun(*, step_s: float | None = STEP_S) -> Parser:
    parser = Parser(PROFILES["vlm"], state=ParserState.IDLE, traits=Traits(step_s=step_s))
    parser.begin_images(LINE)
    return parser


def fed(parser: Parser, data: bytes, at: float = 1.0, window: float = 0.001) -> list[Event]:
    return parser.feed(data, Arrival(at - window, at, 0.0))


@pytest.mark.parametrize(("marker", "text", "figures"), list(product([b"", MARKER], [b"", b"A cat."], [b"", FIGURES])))
def test_every_form_of_the_step_ends_at_its_prompt(marker: bytes, text: bytes, figures: bytes) -> None:
    whole = marker + text + figures + (b"" if figures or not text else b"\n") + PROMPT
    for cut in range(len(whole) + 1):
        parser = begun()
        events = [*parser.feed(whole[:cut]), *parser.feed(whole[cut:])]
        assert Done() not in events
        assert parser.quiet_after is not None
        events += parser.quiet()
        assert events[-1] == Done()
        assert parser.state is ParserState.IDLE
        said = "".join(event.text for event in events if isinstance(event, Text))
        assert said == text.decode()
        stats = [event.vit_ms for event in events if isinstance(event, Stats)]
        assert stats == ([42.733] if figures else [])


def test_figures_that_no_model_prints_so_fast_end_the_step_at_once() -> None:
    parser = begun()
    assert fed(parser, MARKER + FIGURES + PROMPT)[-1] == Done()
    assert parser.report().proven


def test_the_same_words_in_a_models_steps_end_nothing() -> None:
    """An image may hold a false end, and the model may print it, token for token."""
    parser, at = begun(), 1.0
    events = fed(parser, MARKER)
    forged = FIGURES + PROMPT
    for start in range(0, len(forged), 6):
        at += STEP_S
        events += fed(parser, forged[start : start + 6], at)
    assert Done() not in events
    events += fed(parser, b" and on", at + STEP_S)
    assert Done() not in events
    assert not parser.report().proven
    events += fed(parser, FIGURES + PROMPT, at + 2 * STEP_S)
    assert events.count(Done()) == 1


def test_a_bare_prompt_needs_silence_and_what_follows_makes_it_text() -> None:
    parser = begun()
    assert fed(parser, PROMPT) == []
    assert parser.quiet_after
    assert Done() not in fed(parser, b"tell me more", 1.1)
    assert parser.state is ParserState.ANSWERING


def test_an_error_in_the_step_is_one() -> None:
    parser = begun()
    parser.feed(b"run error\n")
    assert parser.quiet() == [RunError("run error")]
    assert parser.state is ParserState.FAILED


def test_after_the_step_a_line_begins_a_turn_and_its_statistics_may_hold_the_vision_models() -> None:
    parser = begun()
    fed(parser, MARKER + FIGURES + PROMPT)
    parser.begin(b"What is it?")
    events = [*fed(parser, MARKER, 2.0), *fed(parser, b"A cat.", 2.1), *fed(parser, FIGURES + PROMPT, 2.2)]
    events += parser.quiet() if Done() not in events else []
    assert "".join(event.text for event in events if isinstance(event, Text)) == "A cat."
    assert [event.vit_ms for event in events if isinstance(event, Stats)] == [42.733]
    assert parser.report().statistics == "prefill"


def test_it_can_begin_only_where_a_line_can() -> None:
    parser = begun()
    with pytest.raises(ValueError, match="not possible"):
        parser.begin_images(LINE)


def test_the_image_consoles_greeting_is_recognized_from_its_output() -> None:
    """Without its first line the program would be an unknown one, and be examined before its first job."""
    parser = Parser(PROFILES["vlm"])
    greeting = "模型类别：图像、文本对话\n语言模型：m.hbm\n\n可用指令:\n- 清除缓存：reset\n- 退出程序：exit\n\n"
    [ready] = [event for event in parser.feed(greeting.encode() + PROMPT) if isinstance(event, Ready)]
    knowledge = confirm_profile(PROFILES["vlm"], ready.banner).public_knowledge
    assert knowledge is not None
    assert knowledge.retains_history
    assert knowledge.reset_works
