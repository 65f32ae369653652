"""What a robot says: whole sentences, nothing of the reasoning, nothing lost but what is listed."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import ros2

# isort: split
from bpu_chat.speech import MARKS, Language, ReasoningFilter, SpeechSplitter, segments, speakable

assert ros2.PACKAGE

#: Characters of which Markdown, numbers, tags, links and broken forms of them are made.
ODD = st.text(
    st.sampled_from("好的水abz 0159.,:;!?，。、：！？\n\t*_#`~|()[]<>{}\\/-+=%$&\"'😀👍🏽\u200d\ufe0f\0\x1b”」…—"),
    max_size=80,
)
ANY = st.text(max_size=80)


def spoken(text: str, cuts: list[int] = []) -> list[str]:  # noqa: B006
    """The pieces of `text`, which arrives in parts."""
    splitter = SpeechSplitter()
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    pieces = [piece for begin, end in itertools.pairwise(edges) for piece in splitter.feed(text[begin:end])]
    return pieces + splitter.end()


@given(ODD | ANY, st.lists(st.integers(0, 80), max_size=12))
def test_pieces_do_not_depend_on_how_the_answer_arrives(text: str, cuts: list[int]) -> None:
    assert spoken(text, cuts) == spoken(text)


@given(ODD | ANY)
def test_every_piece_ends_with_a_mark_and_is_what_the_speech_node_takes(text: str) -> None:
    for piece in spoken(text):
        assert piece[-1] in MARKS
        assert any(char.isalnum() for char in piece)
        assert 1 <= segments(piece) <= 5
        assert len(piece) <= 500
        # Every ASCII mark is a pause: not inside a word or a number, and none of Markdown is left.
        assert re.findall(r"(?<=\w)[!-/:-@\[-`{-~](?=\w)", piece, re.ASCII) == []
        assert set(re.findall(r"[!-/:-@\[-`{-~]", piece)) <= set(",.!?;:")
        assert not re.search(r"[\x00-\x1f\u200b-\u200f\ufe0f\U0001f000-\U0001faff]", piece)


@given(
    st.sampled_from(["——", "，", ", ", " | ", "&#44; ", "？"]), st.sampled_from(["", "1. ", "- "]), st.integers(1, 30)
)
def test_no_piece_has_more_segments_than_the_speech_node_holds(mark: str, entry: str, count: int) -> None:
    pieces = spoken("好。\n" + entry + mark.join(["水"] * count))
    assert all(segments(piece) <= 5 for piece in pieces)
    assert "".join(pieces).count("水") == count


WORD = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=7) | st.text(
    "你好水杯拿放开关", min_size=1, max_size=6
)
WORDS = st.lists(WORD, min_size=1, max_size=6)
#: A part of an answer, and the words of it that must be spoken.
PARTS = st.one_of(
    WORDS.map(lambda words: (" ".join(words) + ". ", words)),
    WORDS.map(lambda words: ("，".join(words) + "。", words)),
    WORDS.map(lambda words: ("**" + " ".join(words) + "**! ", words)),
    WORDS.map(lambda words: ("\n- " + ", ".join(words) + "\n", words)),
    WORDS.map(lambda words: ("\n## " + " ".join(words) + "\n\n", words)),
    WORDS.map(lambda words: ("\n> *" + " ".join(words) + "*\n", words)),
    WORDS.map(lambda words: ("\n| " + " | ".join(words) + " |\n|---|:-:|\n", words)),
    WORDS.map(lambda words: ("“" + " ".join(words) + "”（" + words[0] + "）😀 ", [*words, words[0]])),
    WORD.map(lambda word: (f" [{word}](http://example.com/a.b?c=d) ", [word])),
    WORD.map(lambda word: (f" `{word}`<br>\\text{{{word}}} ", [word, word])),
    WORD.map(lambda word: (f"\n```python\nlost = '{word}. {word}'\n```\n", [])),
)


@given(st.lists(PARTS, max_size=8))
def test_nothing_is_lost_but_what_is_listed_and_the_order_is_kept(parts: list[tuple[str, list[str]]]) -> None:
    text = "".join(part for part, _ in parts)
    words = "".join(word for _, found in parts for word in found)
    assert "".join(char for char in "".join(spoken(text)) if char.isalnum()) == words


@given(st.decimals(min_value=0, max_value=99999, places=2), st.sampled_from(["", "**", "`"]))
def test_a_number_is_in_one_piece_and_one_segment(number: object, mark: str) -> None:
    (piece,) = spoken(f"大约是{mark}{number}{mark}米")
    assert segments(piece) == 1
    assert piece == f"大约是{str(number).replace('.', '点')}米。"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("水是100℃，1,000米=1公里。", ["水是100摄氏度，1000米等于1公里。"]),
        ("温度-5度，湿度50%，10:30出发。", ["温度负5度，湿度百分之50，", "10点30分出发。"]),
        ("The answer is \\( 1+1 = \\boxed{2} \\).", ["The answer is 1 plus 1 equals 2."]),
        ("It's 3.5 m. Mr. Smith, e.g., knows.", ["It’s 3 point 5 m.", "Mr. Smith, e g, knows."]),
        ("1. 打开。\n2. 关上", ["1、打开。", "2、关上。"]),
        ("他说：“好。”然后走了", ["他说：好。", "然后走了。"]),
        ("```\nrm -rf /\n```", []),
        ("```一行```没关系。", ["一行没关系。"]),
        ("~~~\n```\nx\n~~~\n好", ["好。"]),
        ("2**3=8，**粗**体，x**2。", ["2的3次方等于8，粗体，x的2次方。"]),
        ("共**12**个，每个5**3 元**。", ["共12个，每个53元。"]),
        ("……！？", []),
        ("好。好，好，好，好，好，—。", ["好。", "好，好，好，好，好，"]),
        ("2*3和2 * 3", ["2乘3和2乘3。"]),
        ("看 https://example.com/a.b?c=1 。", ["看链接。"]),
        ("打开 www.example.com/a.b 看看。", ["打开链接看看。"]),
        ("今天涨了-0.5%。", ["今天涨了负百分之0点5。"]),
        ("10:30-11:00开门。", ["10点30分到11点00分开门。"]),
        ("50%-60%，1.5倍-2.5倍。", ["百分之50到百分之60，1点5倍到2点5倍。"]),
        ("25~30℃，3-5次。", ["25到30摄氏度，3到5次。"]),
        ("电话138-0013-8000或010-1234567。", ["电话138 0013 8000或010 1234567。"]),
        ("比分3:2，用时01:02:03。", ["比分3比2，用时01点02分03秒。"]),
        ("日期2026/11/29，地址127.0.0.1:8000。", ["日期2026年11月29日，", "地址127点0点0点1 8000。"]),
        ("It is 1.5e-3 of 2^10 dollars.", ["It is 1 point 5 times 10 to the minus 3 of 2 to the 10 dollars."]),
        ("答案是5-3=2，12-5+(3-1) = 9。", ["答案是5减3等于2，12减5加3减1等于9。"]),
        ("So 10-3-2=5.", ["So 10 minus 3 minus 2 equals 5."]),
        ("It costs $5.50, or $3 million.", ["It costs 5 point 50 dollars,", "or 3 million dollars."]),
        ("So $3 + 5 = 8$ is right.", ["So 3 plus 5 equals 8 is right."]),
        ("价格￥3.50元。", ["价格3点50元。"]),
        ("a&nbsp;&lt; b; c", ["a less than b;", "c."]),
    ],
)
def test_what_is_said_of_a_text(text: str, pieces: list[str]) -> None:
    assert spoken(text) == pieces


@pytest.mark.parametrize("language", ["zh", "en"])
@given(st.decimals(-999, 999, places=1), st.sampled_from(["%", "℃", "°", ""]), st.integers(0, 99))
def test_a_sign_and_a_range_are_spoken(language: Language, number: object, unit: str, end: int) -> None:
    text = speakable(f"is {number}{unit}", language)
    assert ("负" in text or "minus" in text) == str(number).startswith("-")
    between = speakable(f"is {str(number).lstrip('-')}{unit}-{end}{unit}", language)
    assert "到" in between or " to " in between
    assert "负" not in between
    assert "minus" not in between


def test_speech_begins_at_the_first_pause_and_goes_on_by_sentences() -> None:
    splitter = SpeechSplitter()
    assert splitter.feed("好的没问题，") == ["好的没问题，"]
    assert splitter.feed("我去拿水，") == []
    assert splitter.feed("请稍等。") == ["我去拿水，请稍等。"]


@given(st.integers(1, 3000), st.sampled_from(["字", "word ", "1", "a", "字1"]))
def test_a_text_without_marks_is_cut_and_whole(count: int, unit: str) -> None:
    pieces = spoken(unit * count)
    assert all(len(piece) <= 130 for piece in pieces)
    joined = "".join(pieces)
    assert "".join(char for char in joined if char.isalnum()) == (unit * count).replace(" ", "")


@given(ANY, ODD.filter(lambda text: not text.lstrip().startswith("<")), st.lists(st.integers(0, 200), max_size=8))
def test_nothing_of_the_reasoning_is_spoken(thought: str, answer: str, cuts: list[int]) -> None:
    thought = thought.replace("</think>", "")
    whole = f"\n<think>{thought}</think>{answer}"
    edges = [0, *sorted(cut % (len(whole) + 1) for cut in cuts), len(whole)]
    found = ReasoningFilter()
    out = "".join(found.feed(whole[begin:end]) for begin, end in itertools.pairwise(edges))
    assert out + found.end() == answer


@given(ANY.filter(lambda text: not text.lstrip().startswith("<think>")), st.integers(0, 80))
def test_an_answer_without_reasoning_passes_whole(text: str, cut: int) -> None:
    found = ReasoningFilter()
    assert found.feed(text[:cut]) + found.feed(text[cut:]) + found.end() == text


def test_reasoning_without_an_end_is_withheld() -> None:
    found = ReasoningFilter()
    assert [found.feed("<th"), found.feed("ink>secret. secret"), found.end()] == ["", "", ""]


@given(ODD)
def test_the_words_of_a_piece_need_no_second_look(text: str) -> None:
    """A speech node that cleans again finds nothing to clean."""
    for piece in spoken(text):
        again = speakable(piece, "zh")
        assert [char for char in again if char.isalnum()] == [char for char in piece if char.isalnum()]
