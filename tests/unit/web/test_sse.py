"""How events are written: what stands around a piece of text is encoded once, and no byte differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bpu.chat.chunks import ChunkFormat, CompletionBuilder, ResponseMetadata, keepalive_chunk
from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, Reasoning, ToolCall
from bpu.chat.usage import Usage
from bpu.web import sse
from bpu.web.endpoint_format import EndpointFormat
from bpu.web.request_log import RequestRecord
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


def test_what_a_slow_client_has_not_read_is_joined_to_writes_of_bounded_size() -> None:
    head = ResponseMetadata("chatcmpl-1", 0, "m")
    chunks, encoder = ChunkFormat(head), sse.ChunkEncoder()
    endpoint_format = EndpointFormat(
        chunks.start, chunks.events, CompletionBuilder(head), encoder.encode, sse.EVENT_STREAM, terminator=sse.DONE
    )
    record = RequestRecord("id", "POST", "/", "127.0.0.1", started=0.0)
    stream = sse.EventStream(endpoint_format, keepalive="chunk", record=record)
    deltas = [Content(f"word {number} ") for number in range(1000)]

    def slow_client() -> Iterator[None]:
        for delta in deltas:
            stream.add(delta)
        yield

    first, *writes = list(stream.response(slow_client()).iter_encoded())
    one = len(writes[0]) // 50
    assert 5 < len(writes) < 50
    assert max(map(len, writes)) < sse.WRITE_BYTES + one
    expected = [event for event in streamed(ChunkFormat(head), deltas) if not isinstance(event, KeepAlive)]
    assert b"".join([first, *writes]) == b"".join(map(sse.event, expected)) + sse.DONE
    assert record.facts["error"] is None
