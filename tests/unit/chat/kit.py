"""What the tests of the chat side share: a model's template in small, a real tokenizer, requests and answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from bpu.chat.chunks import ChunkFormat, ResponseMetadata
from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, Reasoning
from bpu.chat.pipeline import AnswerOptions, read_answer
from bpu.chat.prompt import Prompter
from bpu.chat.requests import ChatRequest, parse_chat
from bpu.chat.template import Template
from bpu.chat.tokens import Counter, Ends, Tokens
from bpu.console.events import Done, Text
from bpu.console.profiles import PROFILES
from bpu.errors import BadRequest
from bpu.turn import Timing, Turn

#: Slow machines share their cores.
PROPERTY = settings(suppress_health_check=[HealthCheck.too_slow])
MODEL = "deepseek-r1:1.5b"
BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
BEFORE, AFTER = f"{BOS}<｜User｜>", "<｜Assistant｜><think>\n"

#: Behaves as DeepSeek R1's own: system text stands before the first user, reasoning of earlier turns is cut off.
R1 = """{{ bos_token }}{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}
{%- for m in messages %}
{%- if m.role == 'user' %}{{ '<｜User｜>' + m.content }}{% endif %}
{%- if m.role == 'assistant' %}{{ '<｜Assistant｜>' + m.content.split('</think>')[-1] + eos_token }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}"""

#: Behaves as Qwen 2.5's: a system text of its own when there is none, no reasoning.
QWEN = """{% if messages[0].role != 'system' %}<|im_start|>system
You are helpful.<|im_end|>
{% endif %}
{% for m in messages %}
<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}
{% if add_generation_prompt %}
<|im_start|>assistant
{% endif %}"""

#: System text inside the first user turn, as Llama 2 has it.
INST = """{% for m in messages %}{% if m.role == 'system' %}[INST] <<SYS>>{{ m.content }}<</SYS>> {% endif %}
{%- if m.role == 'user' %}{% if loop.index0 == 0 or messages[loop.index0 - 1].role != 'system' %}[INST] {% endif %}
{{- m.content }} [/INST]{% endif %}
{%- if m.role == 'assistant' %} {{ m.content }} </s>{% endif %}{% endfor %}"""

ONE = "{{ messages[-1].content }}"


@lru_cache(maxsize=1)
def tokenizer() -> Tokenizer:
    """A byte-level BPE tokenizer in the manner of Qwen's, trained on a few sentences."""
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    model.decoder = decoders.ByteLevel()
    words = ["The weather in Paris is fine today, and the weather in Berlin is not. 今天天气很好。"] * 3
    model.train_from_iterator(
        words,
        trainers.BpeTrainer(vocab_size=340, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False),
    )
    special = [BOS, EOS, "<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"]
    model.add_tokens([AddedToken(one, normalized=False, special=True) for one in special])
    return model


_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def counting(ends: Ends) -> Counter:
    """A counter by `ends` alone."""
    return Counter(lambda: Tokens(ends, lambda text: len(ends(text))))


@lru_cache(maxsize=1)
def counter() -> Counter:
    model = tokenizer()
    return counting(lambda text: [end for _, end in model.encode(text, add_special_tokens=False).offsets])


def template(text: str = R1) -> Template:
    return Template(text, bos=BOS, eos=EOS)


def prompter(text: str = R1, **options: Any) -> Prompter:
    return Prompter(template(text), counter(), **{"context_size": 4096, "profile": PROFILES["xlm_demo"], **options})


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    """A request body; a plain string is a user's message."""
    spoken = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
    return {"model": MODEL, "messages": spoken or [{"role": "user", "content": "Hi"}], **fields}


def said(role: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **fields}


def request(*messages: Any, **fields: Any) -> ChatRequest:
    return parse_chat(body(*messages, **fields), models=[MODEL])


def pieces(text: str, cuts: Iterable[int] = ()) -> list[str]:
    """`text` cut at the given places, modulo its length."""
    places = sorted({cut % (len(text) + 1) for cut in cuts} | {0, len(text)})
    return [text[a:b] for a, b in pairwise(places) if a < b]


def read(
    raw: str | list[str], asked: ChatRequest | None = None, *, done: bool = True, thinks: bool = True, **options: Any
) -> list[Delta]:
    """The deltas of an answer whose raw text is `raw` (in pieces, if a list)."""
    events = [Text(one) for one in ([raw] if isinstance(raw, str) else raw) if one]
    return list(
        read_answer(
            [*events, *([Done()] if done else [])],
            asked or request(stream=True),
            turn=Turn(b"Hi", 10),
            measured=Timing,
            options=AnswerOptions(counter(), thinks, **options),
        )
    )


def joined(deltas: list[Delta]) -> tuple[str, str, str]:
    """Reasoning, content and finish reason."""
    finish = deltas[-1]
    assert isinstance(finish, Finish)
    assert sum(isinstance(one, Finish) for one in deltas) == 1
    return _text(deltas, Reasoning), _text(deltas, Content), finish.reason


def finish_of(answer: list[Delta]) -> Finish:
    """The last delta, which is the end of the answer."""
    assert isinstance(answer[-1], Finish)
    return answer[-1]


def _text(deltas: list[Delta], kind: type[Content | Reasoning]) -> str:
    return "".join(one.text for one in deltas if isinstance(one, kind))


def streamed(chunk_format: ChunkFormat, deltas: Iterable[Delta]) -> Iterator[dict[str, Any] | KeepAlive]:
    """All that a streamed answer consists of."""
    yield from chunk_format.start()
    for delta in deltas:
        yield from chunk_format.events(delta)


def head(**fields: Any) -> ResponseMetadata:
    return ResponseMetadata("chatcmpl-1", 1_700_000_000, MODEL, **fields)


def every_cut(text: str) -> Iterator[list[str]]:
    """The text whole, one character at a time, and at every single place."""
    yield [text]
    yield list(text)
    for at in range(1, len(text)):
        yield [text[:at], text[at:]]


def refusal(value: object, **options: Any) -> BadRequest:
    """The error by which a request body is refused."""
    with pytest.raises(BadRequest) as caught:
        parse_chat(value, models=[MODEL], **options)
    return caught.value
