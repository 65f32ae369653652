"""How events are written: what stands around a piece of text is encoded once, and nobody can tell."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.chunks import ChunkFormat, ResponseMetadata, keepalive_chunk
from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, Reasoning, ToolCall
from bpu.chat.usage import Usage
from bpu.web import sse
from tests.unit.chat.kit import streamed

TEXT = st.text(min_size=1)
DELTAS = st.one_of(
    TEXT.map(Content),
    TEXT.map(Reasoning),
    st.just(KeepAlive("decode")),
    st.builds(ToolCall, index=st.integers(0, 9), name=TEXT, arguments=TEXT),
    st.just(Finish("stop", Usage(prompt_tokens=1, completion_tokens=1))),
)
HEADS = st.builds(
    ResponseMetadata,
    id=st.sampled_from(["chatcmpl-1", "chatcmpl-\0"]),
    created=st.integers(0, 2**33),
    model=st.text(),
    include_usage=st.booleans(),
    system_fingerprint=st.sampled_from([None, "simulator", '"\0"']),
    reasoning_key=st.sampled_from(["reasoning", "reasoning_content"]),
)
ERROR = {"error": {"message": "…", "type": "server_error", "param": None, "code": "engine_crashed"}}


@given(st.lists(DELTAS), HEADS)
def test_a_frame_around_a_text_changes_no_byte(deltas: list[Delta], head: ResponseMetadata) -> None:
    bodies: list[dict[str, Any]] = [
        *(keepalive_chunk(head) if isinstance(one, KeepAlive) else one for one in streamed(ChunkFormat(head), deltas)),
        ERROR,
    ]
    encoder = sse.ChunkEncoder()
    assert [encoder.encode(body) for body in bodies] == [sse.event(body) for body in bodies]
