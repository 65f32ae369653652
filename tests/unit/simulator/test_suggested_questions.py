"""The simulator answers every question that README, docs, page and examples suggest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bpu.messages import translate
from bpu.simulator import canned_replies, conversation
from bpu.simulator.responder import Answer, choose_answer
from tests.examples.arm import arm, robot

PROJECT = Path(__file__).parents[3]
PAGES = [*PROJECT.glob("README*.md"), *PROJECT.glob("docs/**/*.md")]
SCRIPTS = PROJECT / "bpu" / "web" / "static"
#: Where pages and examples hold a question: the body of a request, or an argument of a command.
QUOTED = (
    re.compile(r'"role": "user", "content": "([^"]+)"'),
    re.compile(r'bpu chat (?:--[\w-]+ \S+ )*"([^"]+)"'),
    re.compile(r'robot_arm\.py (?:--execute )?"([^"]+)"'),
)
IDEA = re.compile(r'\bidea_\d+: "([^"]+)"')
NOTES = (canned_replies.NOTE_EN, canned_replies.NOTE_ZH)
CODE = re.compile(r"```python\n(.*?)```", re.S)


def quoted_questions() -> Iterator[str]:
    for path in [*PAGES, PROJECT / "examples" / "robot_arm.py"]:
        text = path.read_text(encoding="utf-8")
        for pattern in QUOTED:
            yield from pattern.findall(text)


def page_ideas() -> list[str]:
    return [idea for path in sorted(SCRIPTS.glob("*.js")) for idea in IDEA.findall(path.read_text(encoding="utf-8"))]


def simulator_table() -> Iterator[str]:
    """The questions that docs/cli.md lists for the simulator, in both languages."""
    section = (PROJECT / "docs" / "cli.md").read_text(encoding="utf-8").partition("\n## simulator\n")[2]
    for line in section.partition("\n## ")[0].splitlines():
        if line.startswith("| ") and not line.startswith("| English"):
            yield from (cell.strip() for cell in line.split("|")[1:-1])


SUGGESTED = sorted(
    {
        *quoted_questions(),
        *page_ideas(),
        *simulator_table(),
        *(translate("connect.hello", lang=lang) for lang in ("en", "zh")),
    }
)


def answer(question: str, tools: list[dict[str, Any]] | None = None) -> Answer:
    listed = "\\n".join(json.dumps(tool) for tool in tools or [])
    line = f"<tools>\\n{listed}\\n</tools>\\n\\n{question}" if tools else question
    return choose_answer(conversation.parse("", line))


def without_note(reply: str) -> str:
    """The answer proper; every reply in words ends with the simulator's note."""
    text, _, note = reply.rpartition("\n\n")
    assert note in NOTES
    return text


def check_greeting(question: str) -> None:
    text = without_note(answer(question).reply)
    wants_one_sentence = re.search("one sentence|一句话", question)
    assert len(re.findall(r"[.!。！]", text)) == (1 if wants_one_sentence else 2)
    assert re.search(r"simulator|模拟器", text)


def check_sky(question: str) -> None:
    found = answer(question)
    text = without_note(found.reply)
    assert re.search(r"Rayleigh|瑞利", text)
    assert len(re.findall(r"[.!?。！？](?:\s|$|(?=[^\W\d_]))", text)) == 3
    assert "nm" in found.reasoning


def check_code(question: str) -> None:
    (code,) = CODE.findall(answer(question).reply)
    names: dict[str, Any] = {}
    printed: list[object] = []
    exec(code, {"print": printed.append}, names)  # noqa: S102  # the answer's own code
    (function,) = names.values()
    for text in ("", "a", "hello", "你好，world"):
        assert function(text) == "".join(reversed(text))
    assert printed == re.findall(r"# (\S+)$", code, re.M)


def check_formula(question: str) -> None:
    numbers = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", question)}
    text = without_note(answer(question).reply)
    (formula,) = re.findall(r"\$\$(.+?)\$\$", text)
    over, under, result = (float(found) for found in re.findall(r"\d+(?:\.\d+)?", formula))
    assert {over, under} == numbers
    assert result == over / under
    assert f"**{result:g}" in text
    assert f"{result / 3.6:g} " in text  # in metres per second, too


def check_list_and_table(question: str) -> None:
    text = without_note(answer(question).reply)
    listed = re.findall(r"^\d\. (.+)$", text, re.M)
    head, rule, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    assert set("".join(rule)) == {"-"}
    assert [row[0] for row in rows] == listed
    assert len(listed) == 4
    assert {len(row) for row in (head, rule, *rows)} == {3}
    astronomical_unit = float(rows[2][2])  # the Earth's distance, in the unit of the last column
    distances = [float(row[1]) for row in rows]
    assert distances == sorted(distances)
    assert distances[2] == 1
    for row in rows:
        assert float(row[2]) == pytest.approx(float(row[1]) * astronomical_unit, rel=0.01)


def check_arm(question: str) -> None:
    mover = arm()
    reply = answer(question, robot.tools(mover)).reply
    calls = [json.loads(text) for text in re.findall(r"<tool_call>(.*?)</tool_call>", reply)]
    places = {one["arguments"]["place"] for one in calls if one["name"] == "move_to"}
    assert places <= set(robot.tools(mover)[0]["function"]["parameters"]["properties"]["place"]["enum"])
    made = [robot.Call(str(number), one["name"], json.dumps(one["arguments"])) for number, one in enumerate(calls)]
    robot.carry_out(mover, made, lambda steps: True)
    assert [move.partition("(")[0] for move in mover.moves] == ["move_to", "grasp", "move_to"]
    assert mover.position == mover.places["user"]
    assert "<tool_call>" not in without_note(answer(question).reply), "without the tools there is nothing to call"


def check_no_picture(question: str) -> None:
    assert re.search(r"no picture|没有附带图片", without_note(answer(question).reply))


def check_sum(question: str) -> None:
    assert without_note(answer(question).reply) == "1 + 1 = **2**"


CHECKS: dict[str, Callable[[str], None]] = {
    **dict.fromkeys(("hello", "你好", "Introduce yourself in one sentence.", "用一句话介绍你自己。"), check_greeting),
    **dict.fromkeys(("Why is the sky blue?", "Why is the sky blue? Answer in three sentences."), check_sky),
    **dict.fromkeys(("天空为什么是蓝色的？", "天空为什么是蓝色的？用三句话回答。"), check_sky),
    **dict.fromkeys(
        ("Write a Python function that reverses a string.", "写一个反转字符串的 Python 函数。"), check_code
    ),
    "A train covers 180 km in 2.5 hours. What is its mean speed?": check_formula,
    "火车 2.5 小时行驶 180 公里，平均速度是多少？": check_formula,
    "List the inner planets, with a table of their distances from the Sun.": check_list_and_table,
    "列出内行星，并用表格给出它们到太阳的距离。": check_list_and_table,
    **dict.fromkeys(("帮我拿杯水", "Bring me a cup"), check_arm),
    "What do you see?": check_no_picture,
    "这张图片里有什么？": check_no_picture,
    "1+1=?": check_sum,
}


def test_the_places_that_suggest_questions_are_found() -> None:
    assert len(page_ideas()) == 6
    assert len(list(simulator_table())) >= 12
    assert {"Why is the sky blue?", "天空为什么是蓝色的？", "1+1=?", "hello", "帮我拿杯水"} <= set(quoted_questions())


@pytest.mark.parametrize("question", SUGGESTED)
def test_a_suggested_question_gets_a_right_answer(question: str) -> None:
    assert question in CHECKS, "a question that is suggested needs a stored answer and a check of it"
    CHECKS[question](question)


@pytest.mark.parametrize("question", SUGGESTED)
def test_a_suggested_question_gets_reasoning_of_its_own_in_its_language(question: str) -> None:
    found = answer(question)
    chinese = conversation.is_chinese(question)
    fallback = canned_replies.fallback(chinese=chinese)
    assert found.reasoning.strip()
    assert found.reasoning != fallback.reasoning
    assert conversation.is_chinese(found.reasoning) == chinese
    assert found.reply.endswith(NOTES[chinese])
    assert "<" not in found.reasoning


def test_every_check_is_of_a_question_that_is_suggested() -> None:
    assert set(CHECKS) == set(SUGGESTED)
