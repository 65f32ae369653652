"""From events to deltas: the split, the limits, and what the end of an answer looks like."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, Reasoning, ToolCall
from bpu.chat.pipeline import AnswerOptions, read_answer
from bpu.chat.requests import ChatRequest
from bpu.console.events import Done, Echo, Event, Log, Overrun, RunError, Stats, Text
from bpu.errors import EngineCrashed
from bpu.turn import Progress, Timing, Turn

from .kit import PROPERTY, counter, every_cut, finish_of, joined, pieces, read, request
from .test_reasoning import ANSWERS

RAW = "First a thought.\n\nThen another.\n</think>\n\nThe weather is fine."
STREAM = request(stream=True)
WHOLE = request()


@pytest.mark.parametrize("asked", [STREAM, WHOLE])
def test_25_26_reasoning_before_content_without_tags(asked: ChatRequest) -> None:
    for texts in every_cut(RAW):
        deltas = read(texts, asked)
        assert joined(deltas) == ("First a thought.\n\nThen another.\n", "The weather is fine.", "stop")
        kinds = [type(one) for one in deltas]
        assert kinds.index(Content) > max(at for at, kind in enumerate(kinds) if kind is Reasoning)


def test_text_goes_out_as_it_comes() -> None:
    assert read(["One ", "two "], done=False)[:2] == [Reasoning("One "), Reasoning("two ")]


def test_waiting_becomes_a_keep_alive_and_the_rest_is_not_the_clients() -> None:
    events: list[Event | Progress] = [
        Progress("queued", 2),
        Echo("prompt"),
        Log("line"),
        Text("a</think>b"),
        Progress("decode"),
        Stats(),
        Done(),
    ]
    deltas = list(read_answer(events, STREAM, turn=Turn(b"", 1), measured=Timing, options=AnswerOptions(counter())))
    assert deltas[:-1] == [KeepAlive("queued", 2), Reasoning("a"), Content("b"), KeepAlive("decode", 0)]


@pytest.mark.parametrize("mode", ["think-tags", "drop", "reasoning"])
def test_28_other_modes(mode: str) -> None:
    for asked in (STREAM, WHOLE):
        reasoning, content, _ = joined(read(list(RAW), asked, reasoning=mode))
        inline = "<think>\nFirst a thought.\n\nThen another.\n\n</think>\n\nThe weather is fine."
        expected = {
            "think-tags": ("", inline),
            "drop": ("", "The weather is fine."),
            "reasoning": ("First a thought.\n\nThen another.\n", "The weather is fine."),
        }
        assert (reasoning, content) == expected[mode]


def test_29_thinking_off_drops_what_is_thought_all_the_same() -> None:
    assert joined(read(RAW, request(stream=True, think=False)))[:2] == ("", "The weather is fine.")


@pytest.mark.parametrize("raw", ["One thought.\n\nThe last\nwords.", "One thought.\n\nThe last\nwords.</think>\n\n"])
def test_31_a_streamed_answer_that_ends_inside_its_reasoning_repeats_the_last_paragraph(raw: str) -> None:
    deltas = read(list(raw), STREAM)
    assert joined(deltas) == ("One thought.\n\nThe last\nwords.", "The last\nwords.", "stop")


def test_31_not_streamed_the_whole_text_is_the_answer() -> None:
    assert joined(read("One thought.\n\nThe last.", WHOLE)) == ("", "One thought.\n\nThe last.", "stop")


def test_31_not_streamed_but_closed_it_stays_reasoning() -> None:
    assert joined(read("One.\n\nTwo.</think>", WHOLE)) == ("One.\n\nTwo.", "Two.", "stop")


@pytest.mark.parametrize("asked", [STREAM, WHOLE])
def test_31_dropped_reasoning_without_an_answer_is_the_answer(asked: ChatRequest) -> None:
    assert joined(read("One.\n\nTwo.", asked, reasoning="drop"))[:2] == ("", "One.\n\nTwo.")


def test_31_inline_the_block_is_closed_first() -> None:
    deltas = joined(read("One.\n\nTwo.", STREAM, reasoning="think-tags"))
    assert deltas[:2] == ("", "<think>\nOne.\n\nTwo.\n</think>\n\nTwo.")


@pytest.mark.parametrize("raw", ["", "\n\n", "</think>\n", "<think></think>"])
def test_31_an_answer_without_a_word_is_an_error(raw: str) -> None:
    with pytest.raises(EngineCrashed, match="before the first word"):
        read(raw)


def test_cut_by_the_token_limit() -> None:
    for asked in (request(stream=True, max_tokens=3), request(max_tokens=3)):
        for texts in every_cut(RAW):
            deltas = read(texts, asked)
            reasoning, content, reason = joined(deltas)
            assert (content, reason) == ("", "length")
            assert RAW.startswith(reasoning)
            assert reasoning
            assert 1 <= finish_of(deltas).usage.completion_tokens <= 3
            assert not finish_of(deltas).natural


def test_cut_inside_an_inline_block_closes_it() -> None:
    assert joined(read("One two three", request(stream=True, max_tokens=1), reasoning="think-tags"))[1].endswith(
        "\n</think>\n\n"
    )


def test_a_stop_string_counts_in_the_answer_only() -> None:
    for texts in every_cut(RAW):
        deltas = read(texts, request(stream=True, stop=["\n\n", "is"]))
        assert joined(deltas) == ("First a thought.\n\nThen another.\n", "The weather ", "stop")
        assert not finish_of(deltas).natural


def test_a_stop_string_at_the_very_beginning() -> None:
    assert joined(read("a</think>The", request(stream=True, stop="T"))) == ("a", "", "stop")


def test_a_stop_string_that_is_complete_only_at_the_end() -> None:
    """What was held back for a tag may complete a stop string."""
    deltas = read("a</think>b<", request(stream=True, stop="<"))
    assert joined(deltas) == ("a", "b", "stop")
    assert not finish_of(deltas).natural
    assert joined(read("a</think>b<", request(stream=True, stop="<x")))[1] == "b<"


def test_events_that_end_without_done_were_cut() -> None:
    assert joined(read("a</think>b", done=False)) == ("a", "b", "length")
    assert joined(read("", done=False)) == ("", "", "length")


def test_a_full_context_is_length_and_may_be_empty() -> None:
    deltas = read("One two", context_size=11)
    assert joined(deltas) == ("One two", "", "length")
    assert not finish_of(deltas).natural
    assert joined(read("a</think>b", context_size=4096))[2] == "stop"


def ended(*events: Event, asked: ChatRequest = STREAM, context_size: int | None = None) -> list[Delta]:
    """The deltas of `events`, the last of which must end the answer: what follows is not to be read."""

    def console() -> Iterator[Event]:
        yield from events
        raise AssertionError("the answer had ended")

    options = AnswerOptions(counter(), context_size=context_size)
    return list(read_answer(console(), asked, turn=Turn(b"Hi", 10), measured=Timing, options=options))


@pytest.mark.parametrize("asked", [STREAM, WHOLE])
def test_an_answer_ends_where_the_model_goes_on_after_its_turn(asked: ChatRequest) -> None:
    deltas = ended(Text("Hm.</think>\n\nPar"), Text("is."), Overrun(), asked=asked)
    assert joined(deltas) == ("Hm.", "Paris.", "stop")
    assert not finish_of(deltas).natural, "the console's cache holds more than the answer"
    assert finish_of(deltas).usage.completion_tokens == counter().count("Hm.</think>\n\nParis.")


def test_an_invented_turn_does_not_make_a_full_context_of_the_answer() -> None:
    deltas = ended(Text("Hm.</think>\n\nYes"), Overrun(), context_size=12)
    assert joined(deltas) == ("Hm.", "Yes", "stop")


def test_what_waits_for_the_end_comes_with_it() -> None:
    """Text that might have become a stop string or a tag, reasoning without an answer, a call, an answer in JSON."""
    assert joined(ended(Text("a</think>b<"), Overrun(), asked=request(stream=True, stop="<x"))) == ("a", "b<", "stop")
    assert joined(ended(Text("One.\n\nTwo.</thi"), Overrun()))[1:] == ("Two.</thi", "stop")
    assert joined(ended(Text("One.\n\nTwo."), Overrun(), asked=WHOLE)) == ("", "One.\n\nTwo.", "stop")
    tool = {"type": "function", "function": {"name": "go"}}
    call = Text('a</think><tool_call>{"name": "go", "arguments": {}}')
    assert joined(ended(call, Overrun(), asked=request(tools=[tool])))[2] == "tool_calls"
    wanted = request(response_format={"type": "json_object"})
    assert joined(ended(Text('a</think>{"b": 1}'), Overrun(), asked=wanted)) == ("a", '{"b": 1}', "stop")


def test_an_invented_turn_without_an_answer_before_it_is_none() -> None:
    with pytest.raises(EngineCrashed, match="before the first word"):
        ended(Overrun())


def test_a_stop_string_or_a_limit_before_the_invented_turn_still_counts() -> None:
    assert joined(ended(Text("a</think>b. c"), asked=request(stream=True, stop="."))) == ("a", "b", "stop")
    assert joined(ended(Text("a</think>b c d e"), asked=request(max_tokens=2)))[2] == "length"


def test_the_consoles_error_is_one() -> None:
    with pytest.raises(EngineCrashed):
        list(
            read_answer(
                [RunError("run error")], STREAM, turn=Turn(b"", 1), measured=Timing, options=AnswerOptions(counter())
            )
        )


def test_reasoning_tokens_are_those_before_the_answer() -> None:
    usage = finish_of(read(RAW)).usage
    thoughts, answer = RAW.split("</think>")
    assert usage.reasoning_tokens == counter().count(f"{thoughts}</think>") + counter().count("\n\n")
    assert usage.completion_tokens == counter().count(RAW)
    assert usage.completion_tokens > usage.reasoning_tokens > 0
    assert answer


def test_a_model_that_does_not_reason() -> None:
    assert joined(read("Hello there.", thinks=False)) == ("", "Hello there.", "stop")


@PROPERTY
@given(
    ANSWERS,
    st.lists(st.integers(0, 200), max_size=8),
    st.booleans(),
    st.sampled_from(["reasoning", "think-tags", "drop"]),
    st.booleans(),
    st.sampled_from([None, "a", ["\n", "思"]]),
)
def test_no_cut_matters(raw: str, cuts: list[int], thinks: bool, mode: str, stream: bool, stop: object) -> None:
    asked = request(stream=stream, stop=stop)

    def deltas(texts: list[str]) -> object:
        try:
            answer = read(texts, asked, thinks=thinks, reasoning=mode)
        except EngineCrashed:
            return "error"
        reasoning, content, reason = joined(answer)
        assert content.strip() or reason == "length" or stop
        return reasoning, content, reason

    assert deltas(pieces(raw, cuts)) == deltas([raw])


SPOKEN = [
    "```python\ntext = re.sub(r'<think>.*?</think>\\s*', '', text, flags=re.S)\n```",
    "Write `</think>` to close it.",
    "Use `<think>` and `</think>`.",
    "<think> opens, </think> closes.",
    "</think> closes.",
    "A</think>B<think>C",
    "a\r\nb\r\n\r\nc",
    "w" * 5000,
]


@pytest.mark.parametrize("text", SPOKEN)
def test_an_answer_about_the_tags_comes_byte_for_byte(text: str) -> None:
    for texts in ([f"Hm.\n</think>\n\n{text}"], list(f"Hm.\n</think>\n\n{text}")):
        assert joined(read(texts)) == ("Hm.\n", text, "stop")
        assert joined(read(texts, request())) == ("Hm.\n", text, "stop")
        assert joined(read(texts, reasoning="think-tags"))[1] == f"<think>\nHm.\n\n</think>\n\n{text}"
        assert joined(read(texts, reasoning="drop"))[1] == text


@pytest.mark.parametrize("text", SPOKEN[:7])
def test_tags_in_arguments_and_in_json_are_data(text: str) -> None:
    said = json.dumps({"text": text})
    tool = {"type": "function", "function": {"name": "note", "parameters": {"type": "object"}}}
    call = f'Hm.</think>\n\n<tool_call>{{"name": "note", "arguments": {said}}}</tool_call>'
    (found,) = [one for one in read(list(call), request(tools=[tool])) if isinstance(one, ToolCall)]
    assert json.loads(found.arguments) == {"text": text}
    asked = request(response_format={"type": "json_object"})
    assert json.loads(joined(read(list(f"Hm.</think>\n\n{said}"), asked))[1]) == {"text": text}


def test_finish_is_last_and_once() -> None:
    deltas = read(RAW)
    assert [type(one) for one in deltas].count(Finish) == 1
    assert isinstance(deltas[-1], Finish)
