"""What images do to the prompt, the count of tokens and the digest of a conversation."""

from __future__ import annotations

import pytest

from bpu.chat.answer_decoder import AnswerDecoder
from bpu.chat.prompt import Prompter
from bpu.chat.requests import ChatRequest
from bpu.chat.template import Template
from bpu.chat.tokens import Counter
from bpu.console.profiles import PROFILES
from bpu.errors import ContextLengthExceeded
from tests.unit.chat.image_requests import IMAGE, TEXT, chat, user
from tests.unit.chat.kit import QWEN

IMAGE_TOKENS = 100


def prompter(context: int = 800) -> Prompter:
    counter = Counter(None)
    return Prompter(Template(QWEN), counter, context_size=context, profile=PROFILES["vlm"], image_tokens=IMAGE_TOKENS)


def read(request: ChatRequest, *digests: str) -> ChatRequest:
    """The request once its images were read."""
    for image, digest in zip(request.images, digests, strict=True):
        image.release(digest)
    return request


def test_a_question_with_its_image_has_no_marks_and_costs_the_images_tokens() -> None:
    plan = prompter().plan(read(chat(user(IMAGE, TEXT)), "a"))
    assert plan.images == ("a",)
    assert plan.turn.line == b"Look"
    assert plan.turn.tokens == prompter().plan(chat(user(TEXT))).turn.tokens + IMAGE_TOKENS


def test_equal_images_count_once() -> None:
    request = read(chat(user(IMAGE, IMAGE, IMAGE, TEXT)), "a", "b", "a")
    assert prompter().plan(request).images == ("a", "b")


ANSWER = {"role": "assistant", "content": "A cat."}


def test_a_later_question_continues_without_the_image_and_has_a_full_form_with_it() -> None:
    plan = prompter().plan(read(chat(user(IMAGE, TEXT), ANSWER, user({"type": "text", "text": "Where?"})), "a"))
    assert plan.turn.continuation_line == b"Where?"
    assert plan.turn.continuation_tokens < IMAGE_TOKENS
    assert plan.images == ("a",)
    assert b"[image 1]" in plan.turn.line


def test_a_new_image_begins_a_new_chat_and_a_known_one_does_not() -> None:
    known = read(chat(user(IMAGE, TEXT), ANSWER, user(IMAGE, TEXT)), "a", "a")
    new = read(chat(user(IMAGE, TEXT), ANSWER, user(IMAGE, TEXT)), "a", "b")
    assert prompter().plan(known).turn.prefix_digest
    assert prompter().plan(known).images == ("a",)
    assert not prompter().plan(new).turn.prefix_digest
    assert prompter().plan(new).images == ("a", "b")


def test_the_digest_of_a_chat_holds_its_images() -> None:
    texts = (user(IMAGE, TEXT), ANSWER, user({"type": "text", "text": "Where?"}))
    histories = {prompter().plan(read(chat(*texts), digest)).turn.prefix_digest for digest in ("a", "b")}
    first = read(chat(user(IMAGE, TEXT)), "a")
    assert AnswerDecoder(prompter()).conversation_digest(first, "A cat.") in histories
    assert len(histories) == 2
    assert prompter().plan(chat(user(TEXT), *texts[1:])).turn.prefix_digest not in histories


def test_images_of_the_question_must_fit() -> None:
    request = read(chat(user(*[IMAGE] * 8, TEXT)), *"abcdefgh")
    with pytest.raises(ContextLengthExceeded) as error:
        prompter().plan(request)
    assert error.value.size > 8 * IMAGE_TOKENS


def test_the_oldest_images_are_left_out_where_not_all_fit() -> None:
    earlier = [turn for _ in range(6) for turn in (user(IMAGE, TEXT), ANSWER)]
    request = read(chat(*earlier, user(IMAGE, TEXT)), *"abcdefg")
    plan = prompter().plan(request)
    assert plan.images_left_out > 0
    assert plan.images == tuple("abcdefg"[plan.images_left_out :])
    assert plan.turn.line.count(b"[image]") == plan.images_left_out
    assert plan.turn.tokens < 800
    assert AnswerDecoder(prompter()).conversation_digest(request, "A cat.") == ""


def test_the_count_of_tokens_holds_the_images() -> None:
    request = chat(user(IMAGE, TEXT))
    assert prompter().count(request) == prompter().count(chat(user(TEXT))) + IMAGE_TOKENS
