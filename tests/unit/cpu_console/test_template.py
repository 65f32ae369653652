"""The three texts around a conversation, as templates of real models have them."""

from __future__ import annotations

import pytest

from bpu.cpu_console.template import Frame, TemplateError, frame
from tests.support.gguf_files import TEMPLATE

DEEPSEEK = (
    "{{bos_token}}{% for m in messages %}{% if m.role == 'user' %}<｜User｜>{{ m.content }}"
    "{% else %}<｜Assistant｜>{{ m.content.split('</think>')[-1] }}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<｜Assistant｜><think>\n{% endif %}"
)


def test_a_later_question_follows_the_end_of_the_answer() -> None:
    assert frame(TEMPLATE) == Frame("<|start|>user ", "<|end|><|start|>user ", "<|end|><|start|>assistant ")
    assert frame(DEEPSEEK, bos="<B>", eos="<E>") == Frame("<B><｜User｜>", "<E><｜User｜>", "<｜Assistant｜><think>\n")


def test_a_template_for_one_message_is_repeated_after_the_end_token() -> None:
    one = "{% if messages | length > 1 %}{{ raise_exception('one') }}{% endif %}[{{ messages[0].content }}]"
    assert frame(one, eos="<E>") == Frame("[", "<E>[", "]")


@pytest.mark.parametrize("source", ["{% broken", "nothing", "{{ messages[0].content * 2 }}", "{{ 1 / 0 }}"])
def test_what_is_no_chat_template_is_refused(source: str) -> None:
    with pytest.raises(TemplateError):
        frame(source)
