"""Images in requests: the parts of every API, and who takes them."""

from __future__ import annotations

from typing import Any

import pytest

from bpu.chat.anthropic import parse_message
from bpu.chat.image_parts import MAX_IMAGES
from bpu.chat.ollama import parse_generate, parse_ollama_chat
from bpu.chat.requests import ChatRequest, parse_chat
from bpu.chat.responses.request import parse_response
from bpu.errors import BadRequest
from tests.unit.chat.image_requests import EYES, IMAGE, OPTIONS, TEXT, URL, chat, user


def refused(*messages: dict[str, Any], model: str = EYES) -> BadRequest:
    with pytest.raises(BadRequest) as error:
        chat(*messages, model=model)
    return error.value


ANTHROPIC = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
WAYS: dict[str, Any] = {
    "chat": lambda: chat(user(IMAGE, TEXT)),
    "chat, an address as text": lambda: chat(user({"type": "image_url", "image_url": URL}, TEXT)),
    "chat, a scheme in capitals": lambda: chat(
        user({"type": "image_url", "image_url": URL.replace("data:image", "DATA:Image")}, TEXT)
    ),
    "responses": lambda: parse_response(
        {"model": EYES, "input": [user({"type": "input_image", "image_url": URL, "detail": "auto"}, TEXT)]}, **OPTIONS
    ),
    "messages": lambda: parse_message({"model": EYES, "max_tokens": 9, "messages": [user(ANTHROPIC, TEXT)]}, **OPTIONS),
    "ollama chat": lambda: parse_ollama_chat(
        {"model": EYES, "messages": [{"role": "user", "content": "Look", "images": ["AAAA"]}]}, **OPTIONS
    ),
    "ollama chat, a data URL": lambda: parse_ollama_chat(
        {"model": EYES, "messages": [{"role": "user", "content": "Look", "images": ["Data:image/png;base64,AAAA"]}]},
        **OPTIONS,
    ),
    "ollama generate": lambda: parse_generate({"model": EYES, "prompt": "Look", "images": ["AAAA"]}, **OPTIONS),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_api_gives_the_same_value(way: str) -> None:
    request: ChatRequest = WAYS[way]()
    [image] = request.images
    assert (image.base64, image.address) == ("AAAA", "")
    assert request.messages[0].content == "Look"


def test_an_address_stays_one() -> None:
    for part in (
        {"type": "image_url", "image_url": {"url": "https://host/cat.png?x=1"}},
        {"type": "image", "source": {"type": "url", "url": "https://host/cat.png?x=1"}},
    ):
        [image] = chat(user(part)).images
        assert (image.base64, image.address) == ("", "https://host/cat.png?x=1")


PLACES: dict[str, tuple[Any, str]] = {
    "chat": (lambda bad: chat(user(TEXT, bad)), "messages.0.content.1"),
    "responses": (
        lambda bad: parse_response({"model": EYES, "input": [user(TEXT, bad)]}, **OPTIONS),
        "input.0.content.1",
    ),
    "responses, output": (
        lambda bad: parse_response(
            {"model": EYES, "input": [{"type": "function_call_output", "call_id": "a", "output": [bad]}]}, **OPTIONS
        ),
        "input.0.output.0",
    ),
    "messages": (
        lambda bad: parse_message(
            {"model": EYES, "max_tokens": 9, "messages": [user(TEXT, {**bad, "type": "image"})]}, **OPTIONS
        ),
        "messages.0.content.1",
    ),
    "ollama": (
        lambda bad: parse_ollama_chat(
            {"model": EYES, "messages": [{"role": "user", "content": "", "images": ["AA", "data:text/plain,x"]}]},
            **OPTIONS,
        ),
        "messages.0.images.1",
    ),
}


@pytest.mark.parametrize("way", PLACES)
def test_a_bad_image_is_named_by_its_place_in_the_clients_request(way: str) -> None:
    parse, place = PLACES[way]
    with pytest.raises(BadRequest) as error:
        parse({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}})
    assert error.value.param == place


@pytest.mark.parametrize(
    "url",
    ["", "data:", "data:,x", "data:image/png,AAAA", "data:text/html;base64,AAAA", "file:///x", "ftp://h/x", "//h/x",
     "x", "http://", "http://[", "https://h:99999/", "http://h/\n", "http://h/" + "a" * 5000, "javascript:alert(1)"],
)  # fmt: skip
def test_what_is_no_address_of_an_image_is_refused(url: str) -> None:
    assert refused(user({"type": "image_url", "image_url": {"url": url}})).param == "messages.0.content.0"


@pytest.mark.parametrize("value", [None, 5, [], {}, {"url": None}, {"url": 5}, {"url": {}}])
def test_a_part_without_an_address_is_refused(value: Any) -> None:
    assert refused(user({"type": "image_url", "image_url": value})).status == 400


@pytest.mark.parametrize("images", ["AAAA", [1], [None], {"a": "b"}, 5])
def test_images_of_ollama_must_be_a_list_of_texts(images: Any) -> None:
    with pytest.raises(BadRequest):
        parse_ollama_chat({"model": EYES, "messages": [{"role": "user", "content": "", "images": images}]}, **OPTIONS)


def test_a_stored_file_cannot_be_meant() -> None:
    assert "keeps no files" in refused(user({"type": "input_image", "file_id": "file-1"})).message


def test_images_belong_to_users_and_tools() -> None:
    for role in ("system", "assistant"):
        assert "message of the user" in refused({"role": role, "content": [IMAGE]}, user(TEXT)).message
    assert len(chat(user(TEXT), {"role": "tool", "tool_call_id": "a", "content": [IMAGE]}).images) == 1


def test_more_images_than_any_prompt_can_hold_are_refused() -> None:
    assert len(chat(user(*[IMAGE] * MAX_IMAGES)).images) == MAX_IMAGES
    assert f"more than {MAX_IMAGES} images" in refused(user(*[IMAGE] * (MAX_IMAGES + 1))).message


def test_the_oldest_of_too_many_images_are_left_out() -> None:
    images = chat(user(*[IMAGE] * MAX_IMAGES), user(IMAGE)).images
    assert [one.is_left_out for one in images] == [True] + [False] * MAX_IMAGES
    assert images[0].key == ""


def test_a_model_without_vision_names_those_that_have_it() -> None:
    error = refused(user(IMAGE), model="text")
    assert error.message.startswith("Invalid content type. image_url is only supported by certain models.")
    assert EYES in error.message
    with pytest.raises(BadRequest, match=r"No model of this gateway sees\."):
        parse_chat({"model": "text", "messages": [user(IMAGE)]}, models=["text"])


def test_a_field_named_images_in_a_message_means_nothing() -> None:
    assert chat({"role": "user", "content": "Hi", "images": [IMAGE]}).images == []
