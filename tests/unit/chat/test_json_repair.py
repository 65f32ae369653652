"""JSON as small models write it: what is repaired, and what is never guessed."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.json_repair import BracketMatcher, JsonError, dumps, loads
from tests.unit.chat.kit import PROPERTY

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("{'a': 'it\\'s', 'b': \"it's\"}", {"a": "it's", "b": "it's"}),
        ("{'a': 'say \"hi\"'}", {"a": 'say "hi"'}),
        ('{"a": True, "b": None, "c": [False,]}', {"a": True, "b": None, "c": [False]}),
        ('{"a": "True, None"}', {"a": "True, None"}),
        ('{"a": "two\nlines"}', {"a": "two\nlines"}),
        ('{"a": {"b": 1}}}', {"a": {"b": 1}}),
        ('{"a": {"b": [1, 2', {"a": {"b": [1, 2]}}),
        ('{"a": 1,}\n```', {"a": 1}),
        ('{"a": 2.0, "b": 0.5}', {"a": 2, "b": 0.5}),
        (r'{"a": "C:\Users\me\x.txt"}', {"a": r"C:\Users\me\x.txt"}),
        (r'{"a": "\d+\.txt"}', {"a": r"\d+\.txt"}),
        (r'{"a": "it\'s"}', {"a": "it's"}),
        (r'{"a": "\u12"}', {"a": r"\u12"}),
        (r'{"a": "\(x\) and \sqrt{2}"}', {"a": r"\(x\) and \sqrt{2}"}),
        (r"{'a': 'C:\Users \" \n'}", {"a": 'C:\\Users " \n'}),
        ('{"a":True,"b":None,"c":[False]}', {"a": True, "b": None, "c": [False]}),
        ("{'a':'b','c':{'d':True}}", {"a": "b", "c": {"d": True}}),
        ('{"room"："厅"，"on"：True}', {"room": "厅", "on": True}),
        ('{"a": "：，"}', {"a": "：，"}),
        ("{a: 1, b_2 : {c-d: 'e'}, größe：[True]}", {"a": 1, "b_2": {"c-d": "e"}, "größe": [True]}),
        ('{"a": 1, // the "first"\n "b": /* two */ 2,\n/**/}', {"a": 1, "b": 2}),
        ('{"a": "http://x /* y */", b: 1}', {"a": "http://x /* y */", "b": 1}),
    ],
)
def test_what_is_read(text: str, value: Any) -> None:
    assert loads(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "hello", '{"a": "never closed', "{'a': 'never closed}", '{"a": NaN}', '{"a": 1e999}', '{"a" 1}', '{"a": 1} b'],
)
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(JsonError):
        loads(text)


def test_brackets_of_a_text_that_was_cut_are_not_closed() -> None:
    with pytest.raises(JsonError):
        loads('{"path": [1, 2', close=False)
    assert loads('{"a": 1,}', close=False) == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "{a: b}",
            "{True: 1}",
            "{a b: 1}",
            "{1a: 1}",
            "[a: 1]",
            '{"a": 1, // one "b": 2}',
            '{"a": 1 /* }',
            "{a: 1 / 2}",
        ),
        *['{"a": "C:\\dir\\"}', '{"a":Truest}', '{"a": 1}} and {"a": 2}', '{"a": "x" "b"}', "{'a': 'it's'}"],
    ],
)
def test_16_nothing_is_repaired_whose_meaning_could_be_another(text: str) -> None:
    with pytest.raises(JsonError):
        loads(text)


#: What a model writes inside a string, and what it means.
WRITTEN = {
    **{one: one for one in ["a", "b", "n", "u", "é", "\U0001f600", " ", "\n", "'", *"{}[],:：/"]},
    **{r"\n": "\n", r"\\": "\\", r"\"": '"', r"\/": "/", r"\u0041": "A", r"\t": "\t", r"\'": "'"},
    **{one: one for one in [r"\d", r"\U", r"\(", r"\)", r"\x41", r"\ ", r"\sqrt{2}", r"\u12 ", r"\.", r"\é", r"\,"]},
}


@given(st.lists(st.sampled_from(sorted(WRITTEN)), max_size=12))
@PROPERTY
def test_16_a_backslash_that_begins_no_escape_stands_for_itself(parts: list[str]) -> None:
    text, meant = "".join(parts), "".join(WRITTEN[one] for one in parts)
    assert loads(f'{{"a": "{text}"}}') == {"a": meant}
    assert loads(f'{{"a":True,"b": "{text}"}}') == {"a": True, "b": meant}


LONG = 4_000_000


@pytest.mark.parametrize(
    "arguments",
    [
        '{"a": "' + "x" * LONG, '{"a": "' + "\\d" * (LONG // 2), "{'a': '" + '\\"' * (LONG // 2), "[" * LONG,
        "{" * LONG, '{"a": ' * (LONG // 6), "'" * LONG, " " * LONG, '"a",' * (LONG // 4),
        "/*" * (LONG // 2), "{a:" * (LONG // 3), "/**/ " * (LONG // 5),
    ],
    ids=["open", "backslashes", "quotes", "brackets", "braces", "keys", "apostrophes", "blanks", "strings", "comments",
        "bare keys", "closed comments"],
)  # fmt: skip
def test_7_memory_is_linear_in_a_text_however_it_is_broken(arguments: str) -> None:
    tracemalloc.start()
    try:
        for text in (arguments, arguments[:200_000]):
            with pytest.raises(JsonError):
                loads(text)
        assert tracemalloc.get_traced_memory()[1] < 40 * 2**20
    finally:
        tracemalloc.stop()


@given(VALUES)
@PROPERTY
def test_valid_json_is_never_changed(value: Any) -> None:
    assert loads(json.dumps(value)) == value
    assert loads(dumps(value)) == value


@given(st.text(alphabet="{}[]\"',:\\ aTrueNone1", max_size=40))
@PROPERTY
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        value = loads(text)
    except JsonError:
        value = None
    assert json.loads(json.dumps(value, allow_nan=False)) == value


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=3), st.text(max_size=10), st.integers(0, 200))
@PROPERTY
def test_the_end_of_a_value_is_found_at_every_cut(value: Any, behind: str, cut: int) -> None:
    text = json.dumps(value, ensure_ascii=False)
    whole = text + behind
    cut %= len(whole) + 1
    balance = BracketMatcher()
    first = balance.feed(whole[:cut])
    found = first if first >= 0 else cut + balance.feed(whole[cut:])
    assert found == len(text)
