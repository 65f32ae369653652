"""Answers in JSON: found among other words, repaired, checked; never told as final when they are not what was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from bpu.chat.answer import Manner, deltas
from bpu.chat.deltas import Content, Delta, Finish, Reasoning
from bpu.chat.fields import ResponseFormat
from bpu.chat.formats import as_json, beginning, instruction
from bpu.console.events import Done, Text
from bpu.errors import AnswerUnfit
from bpu.turn import Timing, Turn
from tests.chat.kit import counter, joined, prompter, read, request

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
    events = [*map(Text, parts), Done()]
    return deltas(events, wanted, turn=Turn(b"Hi", 10), measured=Timing, manner=Manner(counter()))


def test_a_streamed_answer_waits_until_it_is_whole() -> None:
    told = list(lazily(["Hm.</think>\n\n```json\n", '{"city": ', '"Paris"}', "\n```"]))
    assert joined(told) == ("Hm.", PARIS, "stop")
    assert [type(one) for one in told] == [Reasoning, Content, Finish]


def test_a_streamed_answer_that_is_unfit_ends_in_the_error_before_any_content() -> None:
    told: list[Delta] = []
    with pytest.raises(AnswerUnfit):
        told.extend(lazily(["Hm.</think>\n\n", '{"town": 1}']))
    assert told == [Reasoning("Hm.")]


def test_an_answer_cut_by_a_limit_is_length_with_what_there_is() -> None:
    told = read(["</think>\n\nHere: ", '{"city": "Pa'], request(stream=True, response_format=WANTED), done=False)
    assert joined(told) == ("", '{"city": "Pa', "length")


def test_json_inside_a_reasoning_that_was_never_closed() -> None:
    told = read(f"I think it is\n\n{PARIS}", request(response_format=WANTED))
    assert joined(told)[1:] == (PARIS, "stop")


def test_a_stop_string_does_not_make_half_an_object_whole() -> None:
    with pytest.raises(AnswerUnfit):
        read('</think>{"city": "Paris", "degrees": 1', request(stop=["egrees"], response_format=WANTED))
