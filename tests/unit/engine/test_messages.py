"""The messages of the protocol: the document's examples, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.console.traits import EchoForm, TurnReport
from bpu.engine.client.keeper_errors import error_from
from bpu.engine.messages import (
    MESSAGES,
    BadPacket,
    CancelJob,
    EndJob,
    FailJob,
    Refusal,
    RefusalCode,
    SubmitJob,
    from_packet,
    to_packet,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "engine-protocol.md"
BLOCK = re.compile(r"```text\n(.*?)```", re.DOTALL)
#: A packet begins with its direction and goes on to the next one's.
EXAMPLE = re.compile(r"^([<>]) (.*?)(?=^[<>] |\Z)", re.MULTILINE | re.DOTALL)
EXAMPLES = [
    (direction, json.loads(packet))
    for block in BLOCK.findall(DOCUMENT.read_text())
    for direction, packet in EXAMPLE.findall(block)
]
JOB = {
    "op": "job",
    "fingerprint": "f",
    "id": "a",
    "arrived": 1.5,
    "prefix_digest": "",
    "tokens": 1,
    "continuation_tokens": 0,
}
END = {"op": "end", "digest": "", "tokens": 1, "report": {}}


def as_json(value: object) -> Any:
    return json.loads(json.dumps(value))


@pytest.mark.parametrize(("direction", "packet"), EXAMPLES, ids=[next(iter(one.values())) for _, one in EXAMPLES])
def test_every_example_of_the_document_is_a_message(direction: str, packet: dict[str, Any]) -> None:
    assert ("op" if direction == ">" else "event") == next(iter(packet))
    message = from_packet(packet)
    sent = as_json(to_packet(message))
    assert sent.keys() == packet.keys()
    assert from_packet(sent) == message  # a field of a report or of traits is left out where it has its usual value


def test_the_document_shows_every_message_with_every_field() -> None:
    shown: dict[type, set[str]] = {}
    for _, packet in EXAMPLES:
        shown.setdefault(type(from_packet(packet)), set()).update(packet)
    assert set(shown) == set(MESSAGES.values())
    for kind, names in shown.items():
        assert {one.name for one in fields(kind)} <= names, kind


def test_the_document_names_every_code_of_a_refusal() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d+) `(\w+)` \|$", DOCUMENT.read_text(), re.MULTILINE)
    made = {code: error_from(Refusal(kind=code, message="No.", retry_after=None, log=())) for code in RefusalCode}
    assert rows == [(code.value, str(error.status), error.code) for code, error in made.items()]


def _each(packet: dict[str, Any], name: str, *values: Any) -> list[tuple[dict[str, Any], str, Any]]:
    return [(packet, name, value) for value in values]


WRONG = [
    *_each(JOB, "id", "x" * 101, 7, None, []),
    *_each(JOB, "arrived", -1, "1", True, None, float("nan"), float("inf"), 10**400),
    *_each(JOB, "tokens", -1, 1.5, True, "1", None, 10**10),
    *_each(JOB, "again", 1, "true", None),
    *_each(JOB, "previous", "f", [7], {"f": 1}, ["x" * 201]),
    *_each(JOB, "launch", "x" * 48_001, {}),
    *_each(JOB, "op", "none", None, 7, [], {}, "start"),
    *_each(END, "report", None, [], {"step_s": "x"}, {"few_gaps": [None]}, {"at_rest": 1}),
    *_each(END, "report", *({"echo": value} for value in ("abc", ["a", "b"], [1, 2, 3], ["\ud800", "", True]))),
]


@pytest.mark.parametrize(("packet", "name", "value"), WRONG, ids=[f"{name}-{value!r:.12}" for _, name, value in WRONG])
def test_a_wrong_value_is_refused(packet: dict[str, Any], name: str, value: Any) -> None:
    assert from_packet(packet)
    with pytest.raises(BadPacket):
        from_packet({**packet, name: value})


@pytest.mark.parametrize("name", sorted(JOB))
def test_a_missing_field_is_refused(name: str) -> None:
    with pytest.raises(BadPacket):
        from_packet({key: value for key, value in JOB.items() if key != name})


@pytest.mark.parametrize("kind", ["EngineCrashed", "EngineStopping", "BpuError", "__class__", "", None])
def test_no_name_of_a_class_is_taken_for_a_code(kind: str | None) -> None:
    with pytest.raises(BadPacket):
        from_packet({"event": "refused", "kind": kind, "message": "No.", "retry_after": None, "log": []})


def test_an_unknown_field_is_ignored_and_a_missing_one_has_its_default() -> None:
    message = from_packet({**JOB, "new_field": 1})
    assert message == SubmitJob(fingerprint="f", id="a", arrived=1.5, prefix_digest="", tokens=1, continuation_tokens=0)
    assert isinstance(message, SubmitJob)
    assert (message.launch, message.table, message.previous, message.again) == ("", "", (), False)


def test_texts_that_people_write_are_cut() -> None:
    assert from_packet({"op": "fail", "why": "x" * 600}) == FailJob(why="x" * 500)
    assert from_packet({"op": "cancel", "id": "x" * 600}) == CancelJob(id="x" * 100)


@given(
    prefix=st.binary(max_size=40),
    suffix=st.binary(max_size=40),
    gaps=st.lists(st.floats(0, 1e6), max_size=8),
    at_rest=st.sampled_from([None, True, False]),
)
def test_a_report_arrives_as_it_was_sent(prefix: bytes, suffix: bytes, gaps: list[float], at_rest: bool | None) -> None:
    report = TurnReport(echo=EchoForm(prefix, suffix, continued=True), few_gaps=tuple(gaps), at_rest=at_rest)
    message = EndJob(digest="d", tokens=3, report=report)
    assert from_packet(as_json(to_packet(message))) == message
