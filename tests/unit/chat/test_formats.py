"""Answers in JSON: found among other words, repaired, checked; an answer that does not fit is an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.deltas import Content, Delta, Finish, Reasoning
from bpu.chat.formats import as_json, beginning, instruction
from bpu.chat.pipeline import AnswerOptions, read_answer
from bpu.chat.request_models import ResponseFormat
from bpu.console.events import Done, Event, Text
from bpu.errors import AnswerUnfit
from bpu.turn import Timing, Turn
from tests.unit.chat.kit import PROPERTY, counter, joined, prompter, read, request

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
OBJECT = ResponseFormat(type="json_object")
FITTING = ResponseFormat.model_validate({"type": "json_schema", "json_schema": {"name": "w", "schema": SCHEMA}})
WANTED = {"type": "json_schema", "json_schema": {"name": "w", "schema": SCHEMA}}
PARIS = '{"city": "Paris"}'


@pytest.mark.parametrize(
    "text",
    [
        PARIS,
        f"```json\n{PARIS}\n```",
        f"Here it is:\n```\n{PARIS}\n```\nGood luck!",
        f"The answer is {PARIS}. I hope it helps {{really}}.",
        f"A set {{a, b}} first, then {PARIS}",
        "{'city': 'Paris',}",
        '{"city": "Paris"',
        'It is {"city": "Paris"',
    ],
)
def test_the_value_is_found_and_repaired(text: str) -> None:
    assert json.loads(as_json(text, OBJECT)) == {"city": "Paris"}
    assert json.loads(as_json(text, FITTING)) == {"city": "Paris"}


FORM = ResponseFormat.model_validate(
    {
        "type": "json_schema",
        "json_schema": {
            "schema": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                "required": ["name", "age"],
            }
        },
    }
)
FOUR, FIVE = '{"name": "Bob", "age": 4}', '{"name": "Bob", "age": 5}'


@pytest.mark.parametrize(
    "text",
    [
        f"Perhaps {FOUR}? No, he turned five. So {FIVE}",
        f"First guess {FOUR}. Wait, he is five: {FIVE} That is my answer.",
        f"```json\n{FOUR}\n```\nis how it looks. The answer:\n{FIVE}",
        f"The answer:\n{FIVE}\nFor example:\n```json\n{FOUR}\n```\nis of the same form.",
        f"I think {FIVE}. Finally:\n```json\n{FOUR}\n```",
        f"{FOUR} is a draft, {FIVE} the answer.\n```json\n{FOUR}\n```\n",
        f"Of the form {{}} or [1].\n```json\n{FIVE}\n```",
        f"```json\n{FOUR}\n```\nNo, wrong.\n```json\n{FIVE}\n```\n",
        f'It has the form {{"name": "string"}}.\n{FIVE}',
        f'A stray {{ brace and 5" of glass: {FOUR}, or rather {FIVE}.',
        f"{FIVE} is the answer; [1, 2] and {{not this}} are none.",
        f"{FIVE}, with ages such as 4",
    ],
)
def test_18_of_several_values_the_last_one_that_fits_is_the_answer(text: str) -> None:
    assert json.loads(as_json(text, FORM)) == json.loads(FIVE)


@pytest.mark.parametrize("text", ["{" * 100_000, '{"' * 50_000, "{ x [ " * 16_000, "{ a" * 33_000])
def test_18_the_work_on_a_text_is_in_proportion_to_its_length(text: str) -> None:
    """A text of brackets that are never closed is read a few times, not once for each bracket."""
    calls = [0]

    def count(_frame: object, _event: str, _argument: object) -> None:
        calls[0] += 1

    sys.setprofile(count)
    try:
        with pytest.raises(AnswerUnfit):
            as_json(text, FORM)
    finally:
        sys.setprofile(None)
    assert calls[0] < 30 * len(text)


@pytest.mark.parametrize("raw", [f"Perhaps {FOUR}? So {FIVE}", f"Perhaps {FOUR}? {FIVE}\n</think>\n"])
def test_18_the_last_value_of_a_reasoning_is_the_answer_where_there_is_no_other(raw: str) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "w", "schema": FORM.schema_}}
    assert joined(read(raw, request(response_format=wanted)))[1] == FIVE


@pytest.mark.parametrize(
    "fence",
    [
        "```json\n{}\n```",
        "```json\r\n{}\r\n```",
        "``` json\n{}\n```",
        "```c++ title=x\n{}\n```",
        "````json\n{}\n````",
        "~~~json\n{}\n~~~",
        "  ```json\n  {}\n  ```",
        "> ```json\n> {}\n> ```",
        "```json {} ```",
        "```{}```",
        "```json\n{}",
    ],
)
def test_18_no_form_of_a_fence_hides_an_earlier_value_outside(fence: str) -> None:
    assert as_json(f"I think {FIVE}. Like this:\n{fence.replace('{}', FOUR)}", FORM) == FIVE
    assert as_json(f"I think so:\n{fence.replace('{}', FIVE)}", FORM) == FIVE


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{FOUR}\n\n{FIVE}\n```",
        f"```json\n{FOUR}\n\nNo, wrong: {FIVE}",
        f"Three backticks (```) make a fence. Perhaps {FOUR}? So {FIVE}",
    ],
)
def test_18_the_last_of_several_values_in_one_fence_counts(text: str) -> None:
    assert as_json(text, FORM) == FIVE


def test_18_a_fence_inside_a_value_is_part_of_its_string() -> None:
    text = json.dumps({"name": "```json\n{}\n```", "age": 1})
    assert as_json(f"Here: {text}. Good.", FORM) == text


@given(
    st.lists(st.sampled_from(["words ", "it's ", "{x} ", "[1] ", "\n", "```\nx = {}\n```\nso ", FOUR]), max_size=6).map(
        "".join
    ),
    st.integers(-99, 99),
    st.sampled_from(["", ".", " I hope it helps.", "\n\n"]),
)
@PROPERTY
def test_18_whatever_stands_before_it_the_last_value_is_found(before: str, age: int, behind: str) -> None:
    assert json.loads(as_json(f'{before}\n{{"name": "A", "age": {age}}}{behind}', FORM)) == {"name": "A", "age": age}


def test_18_the_draft_before_a_value_that_a_limit_cut_is_left_out() -> None:
    assert beginning(f'Perhaps {FOUR}? So {{"name": "Bo') == '{"name": "Bo'
    assert beginning(f"Perhaps {FOUR}? So") == f"{FOUR}? So"


@pytest.mark.parametrize(
    "text",
    [
        "{" * 50_000,
        '{"a": ' * 20_000,
        "```\n" * 25_000,
        "~~~ x\n" * 20_000,
        "`" * 90_000,
        "\n" + " > " * 30_000,
        '{"' * 40_000,
        "[]" * 50_000,
        "{} " * 30_000,
        "\\" * 90_000,
    ],
)
def test_18_no_text_takes_more_than_a_moment(text: str) -> None:
    with pytest.raises(AnswerUnfit):
        as_json(text, FORM)


def test_valid_json_goes_out_as_the_model_wrote_it() -> None:
    text = '{ "city":"Paris",  "degrees": 2 }'
    assert as_json(f"```json\n{text}\n```", FITTING) == text
    assert json.loads(as_json('{"city": "Paris", "degrees": "20"}', FITTING)) == {"city": "Paris", "degrees": 20}


@pytest.mark.parametrize("text", ["It is sunny.", "[1]", "12", '{"city": "Par', ""])
def test_what_is_no_object_is_an_error(text: str) -> None:
    with pytest.raises(AnswerUnfit):
        as_json(text, OBJECT)


@pytest.mark.parametrize("text", ["{}", '{"city": [1]}', '{"city": "Paris", "more": 1}', '{"town": "Paris"}'])
def test_what_does_not_fit_the_schema_is_an_error_that_names_the_rule(text: str) -> None:
    with pytest.raises(AnswerUnfit, match="the schema's `"):
        as_json(text, FITTING)


def test_another_value_than_an_object_where_the_schema_says_so() -> None:
    wanted = ResponseFormat.model_validate({"type": "json_schema", "json_schema": {"schema": {"type": "array"}}})
    assert as_json("Sure: [1, 2]", wanted) == "[1, 2]"


def test_what_a_limit_left() -> None:
    assert beginning('```json\n{"city": "Pa') == '{"city": "Pa'
    assert beginning("Let me") == ""


def test_the_model_is_told() -> None:
    assert instruction(ResponseFormat()) == ""
    assert "JSON object" in instruction(OBJECT)
    assert '"city":{"type":"string"}' in instruction(FITTING)
    line = prompter().turn(request("Where?", response_format=WANTED)).line.decode()
    assert '"degrees":{"type":"integer"}' in line
    assert line.endswith("Where?")


def lazily(parts: list[str]) -> Iterator[Delta]:
    wanted = request(stream=True, response_format=WANTED)
    events: list[Event] = [*map(Text, parts), Done()]
    return read_answer(events, wanted, turn=Turn(b"Hi", 10), measured=Timing, options=AnswerOptions(counter()))


def test_a_streamed_answer_waits_until_it_is_whole() -> None:
    deltas = list(lazily(["Hm.</think>\n\n```json\n", '{"city": ', '"Paris"}', "\n```"]))
    assert joined(deltas) == ("Hm.", PARIS, "stop")
    assert [type(one) for one in deltas] == [Reasoning, Content, Finish]


def test_a_streamed_answer_that_is_unfit_ends_in_the_error_before_any_content() -> None:
    deltas: list[Delta] = []
    with pytest.raises(AnswerUnfit):
        deltas.extend(lazily(["Hm.</think>\n\n", '{"town": 1}']))
    assert deltas == [Reasoning("Hm.")]


def test_an_answer_cut_by_a_limit_is_length_with_what_there_is() -> None:
    deltas = read(["</think>\n\nHere: ", '{"city": "Pa'], request(stream=True, response_format=WANTED), done=False)
    assert joined(deltas) == ("", '{"city": "Pa', "length")


def test_json_inside_a_reasoning_that_was_never_closed() -> None:
    deltas = read(f"I think it is\n\n{PARIS}", request(response_format=WANTED))
    assert joined(deltas)[1:] == (PARIS, "stop")


def test_a_stop_string_does_not_make_half_an_object_whole() -> None:
    with pytest.raises(AnswerUnfit):
        read('</think>{"city": "Paris", "degrees": 1', request(stop=["egrees"], response_format=WANTED))
