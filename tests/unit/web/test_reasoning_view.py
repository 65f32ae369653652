"""The page splits thinking that comes inside the text as the gateway splits a model's: the same tags are text."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from bpu.chat.reasoning import Splitter
from tests.unit.chat.kit import every_cut, pieces

SCRIPT = Path(__file__).parents[3] / "bpu" / "web" / "static" / "reasoning_view.js"
ENDS = {
    "<think>Close it by `</think>`, I say.</think>\n\nDone.": ("Close it by `</think>`, I say.", "Done."),
    "<think>A '</think>' and a “</think>”.\n</think>\nx": ("A '</think>' and a “</think>”.\n", "x"),
    "<think>The list is 「</think>」</think>\n\n`</think>`": ("The list is 「</think>」", "`</think>`"),
    "<think>ends in a quote `</think>\n\nSo it is.": ("ends in a quote `", "So it is."),
    "<think>ends in a quote `</think>": ("ends in a quote `", ""),
    "<think>\"</think>' x": ('"', "' x"),
    "<think>a</think>Say `<think>` and </think>.": ("a", "Say `<think>` and </think>."),
    "No thinking, only a </think> tag.": ("", "No thinking, only a </think> tag."),
}
WORDS = ["<think>", "</think>", "</thi", "nk>", "`", "'", '"', "“", "”", "「", "」", "«", "»", "a", "<", "\n", "B c "]


def in_the_page(answers: list[list[str]]) -> list[dict[str, str]]:
    node = shutil.which("node") or pytest.skip("Node is not installed.")
    command = [node, str(Path(__file__).with_name("reasoning_view.mjs")), str(SCRIPT)]
    told = subprocess.run(command, input=json.dumps(answers), capture_output=True, text=True, check=True, timeout=60)
    return list(json.loads(told.stdout))


def in_the_gateway(answer: list[str]) -> dict[str, str]:
    splitter = Splitter(thinks=False)
    parts = [part for piece in answer for part in splitter.feed(piece)] + list(splitter.end())
    return {kind: "".join(part.text for part in parts if part.kind == kind) for kind in ("reasoning", "content")}


def test_20_a_closing_tag_in_quotation_marks_ends_no_thinking_wherever_the_pieces_end() -> None:
    cuts = [(cut, parts) for text, parts in ENDS.items() for cut in every_cut(text)]
    found = in_the_page([cut for cut, _ in cuts])
    assert found == [{"reasoning": reasoning, "content": content} for _, (reasoning, content) in cuts]


def test_20_the_page_and_the_gateway_agree() -> None:
    chance = random.Random(20)
    texts = ["<think>x" + "".join(chance.choices(WORDS, k=chance.randrange(12))) for _ in range(3000)]
    answers = [pieces(text, [chance.randrange(99) for _ in range(4)]) for text in texts]
    found = in_the_page(answers)
    different = [
        (answer, here, there)
        for answer, here in zip(answers, found, strict=True)
        if here | {"content": here["content"].lstrip()}
        != (there := in_the_gateway(answer)) | {"content": there["content"].lstrip()}
    ]
    assert different == []
