"""The model's template: what it is given, what is cut off, and which templates are refused at the start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bpu.chat.answer_decoder import AnswerDecoder
from bpu.chat.loader import load_template
from bpu.chat.prompt import Prompter, Thinking
from bpu.chat.template import Template, TemplateMessage, Unrenderable
from bpu.chat.tokens import load_counter
from bpu.console.events import Done, Event, Text
from bpu.console.profiles import PROFILES
from bpu.errors import SettingsError
from bpu.turn import Timing

from .kit import AFTER, BEFORE, BOS, EOS, INST, ONE, QWEN, R1, every_cut, joined, request, template


def test_the_frame_is_what_the_console_adds() -> None:
    assert template().frame() == (BEFORE, AFTER)
    assert template(ONE).frame() == ("", "")


@pytest.mark.parametrize(("text", "reasons"), [(R1, True), (QWEN, False)])
def test_a_model_that_reasons_is_known_by_its_template(text: str, reasons: bool) -> None:
    assert template(text).reasons is reasons


@pytest.mark.parametrize(
    ("text", "system", "turns"), [(R1, False, True), (QWEN, False, True), (INST, True, True), (ONE, False, False)]
)
def test_what_a_template_can_place(text: str, system: bool, turns: bool) -> None:
    assert template(text).carries("system", "user") is system
    assert template(text).carries("user", "assistant", "user") is turns


@pytest.mark.parametrize(
    "text",
    [
        "{{ messages[0].content",
        "{{ raise_exception('no users') }}",
        "nothing of yours",
        "{{ messages[0].content }}{{ messages[0].content }}",
        "{{ messages.append(1) }}{{ messages[0].content }}",
        "{{ ''.__class__.__mro__ }}{{ messages[0].content }}",
        "{{ strftime_now('%Y') }}{{ messages[0].content }}",
        "{{ 1 / 0 }}",
        "{% for m in messages %}{% include 'x' %}{% endfor %}",
    ],
)
def test_a_template_that_cannot_be_used_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="BPU_TEMPLATE_PATH"):
        Template(text)


def test_what_templates_of_models_use() -> None:
    text = """{%- for m in messages %}{% if m.role == 'skip' %}{% continue %}{% endif -%}
    {{ {'say': m.content} | tojson }} {{ [1] | tojson(indent=2) }} {{ strftime_now('%d') }}{% break %}{% endfor %}"""
    made = Template(text, strftime_now=lambda form: f"<{form}>")
    assert made.render([{"role": "user", "content": "你"}]) == '{"say": "你"} [\n  1\n] <%d>'


def test_a_template_that_refuses_some_messages() -> None:
    picky = Template(
        "{% if messages | length > 1 %}{{ raise_exception('one only') }}{% endif %}{{ messages[0].content }}"
    )
    two: list[TemplateMessage] = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    assert picky.inside(two) is None
    with pytest.raises(Unrenderable, match="one only"):
        picky.render(two)


def files(folder: Path, template_text: str = R1, **config: object) -> dict[str, Any]:
    (folder / "model.jinja").write_text(template_text)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return {"template_path": folder / "model.jinja", "tokenizer_dir": folder}


@pytest.mark.parametrize("bos", [BOS, {"content": BOS, "special": True}])
def test_special_words_come_from_the_tokenizers_folder(tmp_path: Path, bos: object) -> None:
    paths = files(tmp_path, bos_token=bos, eos_token=EOS)
    assert load_template(*paths.values()).frame() == (BEFORE, AFTER)


@pytest.mark.parametrize("text", ["{", "[]", '{"bos_token": 5}'])
def test_a_folder_without_usable_words_still_works(tmp_path: Path, text: str) -> None:
    paths = files(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(text)
    assert load_template(*paths.values()).frame()[0] == "<｜User｜>"
    assert load_template(paths["template_path"], None).frame()[0] == "<｜User｜>"


def test_a_missing_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.jinja"):
        load_template(tmp_path / "nowhere.jinja", None)


def test_a_prompter_from_files(tmp_path: Path) -> None:
    made = Prompter(
        load_template(**files(tmp_path)), load_counter(tmp_path), profile=PROFILES["xlm_demo"], context_size=64
    )
    assert made.turn(request("Hi")).line == b"Hi"


SWITCHED = QWEN.replace(
    "<|im_start|>assistant\n",
    "<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}",
)


def test_a_tokenizers_configuration_may_hold_the_template(tmp_path: Path) -> None:
    path = files(tmp_path, chat_template=R1, bos_token=BOS, eos_token=EOS)["tokenizer_dir"] / "tokenizer_config.json"
    assert load_template(path, tmp_path).frame() == (BEFORE, AFTER)
    for text in ("{", "[]", "{}", '{"chat_template": [1]}'):
        path.write_text(text)
        with pytest.raises(SettingsError, match=r"tokenizer_config\.json cannot be read"):
            load_template(path, tmp_path)


#: What a model prints for each value of `thinking`: the raw text and its reasoning.
WAYS = [
    ("template", "Hm.\n</think>\n\nYes.", "Hm."),
    ("model", "<think>\nHm.\n</think>\n\nYes.", "Hm."),
    ("model", "<think>\n\n</think>\n\nYes.", ""),
    ("model", "Yes.", ""),
    ("off", "Yes.", ""),
    ("off", "<think>\n\n</think>\n\nYes.", ""),
    ("none", "Yes.", ""),
]


@pytest.mark.parametrize(("thinking", "raw", "reasoning"), WAYS)
def test_the_answer_is_the_same_whatever_opens_the_thinking(
    tmp_path: Path, thinking: Thinking, raw: str, reasoning: str
) -> None:
    opened = load_template(**files(tmp_path, SWITCHED), thinking=thinking)
    made = Prompter(opened, load_counter(tmp_path), profile=PROFILES["llm"], context_size=4096, thinking=thinking)
    asked = request("Hi", stream=True)
    for pieces in every_cut(raw):
        events: list[Event] = [*map(Text, pieces), Done()]
        deltas = list(AnswerDecoder(made).read(events, asked, made.turn(asked), Timing))
        found, content, reason = joined(deltas)
        assert (found.strip(), content, reason) == (reasoning, "Yes.", "stop")


def test_what_the_console_closes_is_counted(tmp_path: Path) -> None:
    def after(thinking: Thinking) -> str:
        return load_template(*files(tmp_path, SWITCHED).values(), thinking=thinking).frame()[1]

    assert after("off").endswith("<think>\n\n</think>\n\n")
    assert after("model").endswith("assistant\n")
