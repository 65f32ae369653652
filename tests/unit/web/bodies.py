"""Requests of all kinds for property tests: mostly sound, with a few fields that are anything JSON can say."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]
MODEL = "deepseek-r1:1.5b"
CALL = '<tool_call>{"name": "look", "arguments": {"at": "cup"}}</tool_call>'
LOOK = {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}


def some(*values: Any) -> Strategy:
    return st.sampled_from(values)


def shape(required: dict[str, Strategy], **optional: Strategy) -> Strategy:
    return st.fixed_dictionaries(required, optional=optional)


SCALARS = st.none() | st.booleans() | st.integers(-5, 5000) | st.floats(allow_nan=False) | st.text(max_size=8)
JSON: Strategy = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
TEXT = st.text(max_size=12) | some("Hi", "", "exit", "reset\n", "<think>", "<｜User｜>", CALL, "{", "\ud800", "\0")
CONTENT = TEXT | st.lists(shape({"type": some("text", "input_text", "output_text"), "text": TEXT}), max_size=3)
ARGUMENTS = some("{}", '{"at": 1.0}', "", "{") | st.dictionaries(TEXT, JSON, max_size=2)

KEYWORDS = some("type", "properties", "items", "enum", "required", "$ref", "$defs", "allOf", "not", "pattern", "title")
SCHEMA: Strategy = st.recursive(
    some({"type": "string"}, {"$ref": "#"}, {"$ref": "http://127.0.0.1:9/"}, {"type": ["null", "object"]}, {}, True),
    lambda inner: st.dictionaries(KEYWORDS, inner | st.dictionaries(TEXT, inner, max_size=2) | st.lists(inner)),
    max_leaves=6,
)
FUNCTION = st.just(LOOK) | shape({"name": some("look", "x"), "parameters": SCHEMA}, description=TEXT)
NESTED = st.builds(lambda one: {"type": "function", "function": one}, FUNCTION)
FLAT = st.builds(lambda one: {"type": "function", **one}, FUNCTION)
FORMAT = some({"type": "text"}, {"type": "json_object"}) | st.builds(
    lambda one: {"type": "json_schema", "name": "n", "schema": one, "json_schema": {"name": "n", "schema": one}}, SCHEMA
)

MESSAGE = st.one_of(
    shape({"role": some("system", "developer", "user", "assistant"), "content": CONTENT}, name=TEXT),
    shape(
        {"role": st.just("assistant"), "content": st.none()},
        tool_calls=st.lists(
            shape({"id": TEXT, "function": shape({"name": some("look", "x"), "arguments": ARGUMENTS})}), max_size=2
        ),
    ),
    shape({"role": some("tool", "function"), "content": CONTENT, "tool_call_id": TEXT}),
)
ITEM = st.one_of(
    shape({"role": some("system", "developer", "user", "assistant"), "content": CONTENT}),
    shape({"type": st.just("function_call"), "call_id": TEXT, "name": some("look"), "arguments": ARGUMENTS}),
    shape({"type": st.just("function_call_output"), "call_id": TEXT, "output": CONTENT}),
    shape({"type": st.just("reasoning"), "summary": st.just([])}),
)
SHARED: dict[str, Strategy] = {
    "model": some(MODEL, f"{MODEL}-think"),
    "stream_options": some({"include_usage": True}, {}, None),
    "stop": some("l", ["lo", "x"], [], None),
    "temperature": st.floats(0, 2),
    "thinking": some({"type": "disabled"}, {"type": "enabled"}),
}
ALLOWED = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "look"}]}
CHOICE = some("auto", "none", "required", {"function": {"name": "look"}}, {"name": "look"}, ALLOWED, None)
CHAT: dict[str, Strategy] = {
    "messages": st.lists(MESSAGE, min_size=1, max_size=4),
    "max_tokens": st.integers(1, 60),
    "tools": st.lists(NESTED, max_size=2),
    "tool_choice": CHOICE,
    "parallel_tool_calls": st.booleans(),
    "response_format": FORMAT,
}
COMPLETION: dict[str, Strategy] = {"prompt": TEXT, "max_tokens": st.integers(1, 60), "echo": st.booleans()}
RESPONSE: dict[str, Strategy] = {
    "input": TEXT | st.lists(ITEM, min_size=1, max_size=4),
    "instructions": TEXT,
    "max_output_tokens": st.integers(1, 60),
    "tools": st.lists(FLAT, max_size=2),
    "tool_choice": CHOICE,
    "text": st.builds(lambda one: {"format": one}, FORMAT),
    "reasoning": some({"effort": "none"}, {"effort": "low"}, None),
}
BLOCK = st.one_of(
    shape({"type": st.just("text"), "text": TEXT}, cache_control=st.just({"type": "ephemeral"})),
    shape({"type": st.just("tool_use"), "id": TEXT, "name": some("look", "x")}, input=st.dictionaries(TEXT, JSON)),
    shape({"type": st.just("tool_result"), "tool_use_id": TEXT}, content=TEXT, is_error=st.booleans()),
    shape({"type": st.just("thinking"), "thinking": TEXT, "signature": TEXT}),
    shape({"type": st.just("document"), "source": st.builds(lambda text: {"type": "text", "data": text}, TEXT)}),
)
TYPED = st.builds(lambda kind: {"type": kind, "name": "w"}, some("web_search_20250305", "bash_20250124", "x\r\ny"))
MESSAGES: dict[str, Strategy] = {
    "messages": st.lists(
        st.one_of(
            shape({"role": some("user", "assistant", "system"), "content": TEXT}),
            st.builds(
                lambda role, blocks: {"role": role, "content": blocks}, some("user", "assistant"),
                st.lists(BLOCK, max_size=3),
            ),
        ),
        min_size=1, max_size=4,
    ),
    "system": TEXT | st.lists(shape({"type": st.just("text"), "text": TEXT}), max_size=2),
    "max_tokens": st.integers(0, 60),
    "stop_sequences": some(["l"], ["lo", "x"], []),
    "tools": st.lists(st.builds(lambda one: {"name": one["name"], "input_schema": one["parameters"]}, FUNCTION) | TYPED,
                      max_size=2),
    "tool_choice": some({"type": "auto"}, {"type": "none"}, {"type": "any"}, {"type": "tool", "name": "look"}),
    "thinking": some({"type": "enabled", "budget_tokens": 1024}, {"type": "disabled"},
                     {"type": "adaptive", "display": "omitted"}),
    "output_config": st.builds(lambda one: {"effort": "low", "format": {"type": "json_schema", "schema": one}}, SCHEMA),
}  # fmt: skip
OLLAMA_TOOL = st.builds(lambda one: {"type": "function", "function": one}, FUNCTION)
OLLAMA_SHARED: dict[str, Strategy] = {
    "model": some(MODEL, MODEL.upper(), f"registry.ollama.ai/library/{MODEL}", f"{MODEL}-think"),
    "format": some("json", "", None) | SCHEMA.filter(lambda one: isinstance(one, dict) and one != {}),
    "think": some(True, False, None, "high"),
    "keep_alive": some(0, -1, "5m", "0s", 1.5),
    "truncate": st.booleans(),
    "options": shape(
        {}, num_predict=some(-1, 0, 1, 60), stop=some("l", ["lo"], []), num_ctx=some(8192), temperature=st.floats(0, 2)
    ),
}
OLLAMA_CHAT: dict[str, Strategy] = {
    **OLLAMA_SHARED,
    "messages": st.lists(
        shape(
            {"role": some("system", "user", "assistant", "USER", "tool")},
            content=TEXT, thinking=TEXT, images=some([], None), tool_name=TEXT,
            tool_calls=st.lists(
                shape({"function": shape({"name": some("look"), "arguments": st.dictionaries(TEXT, JSON)})}), max_size=2
            ),
        ),
        max_size=4,
    ),
    "tools": st.lists(OLLAMA_TOOL, max_size=2),
}  # fmt: skip
GENERATE: dict[str, Strategy] = {**OLLAMA_SHARED, "prompt": TEXT, "system": TEXT, "suffix": some("", None)}
ENDPOINTS: dict[str, tuple[dict[str, Any], dict[str, Strategy]]] = {
    "/v1/chat/completions": ({"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}, CHAT),
    "/v1/completions": ({"model": MODEL, "prompt": "Hi"}, COMPLETION),
    "/v1/responses": ({"model": MODEL, "input": "Hi"}, RESPONSE),
    "/v1/messages": ({"model": MODEL, "max_tokens": 60, "messages": [{"role": "user", "content": "Hi"}]}, MESSAGES),
    "/api/chat": ({"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}, OLLAMA_CHAT),
    "/api/generate": ({"model": MODEL, "prompt": "Hi"}, GENERATE),
}

#: Addresses that count, show or look up, with the fields that must be there, and further ones.
COUNTED: dict[str, tuple[dict[str, Any], dict[str, Strategy]]] = {
    "/v1/messages/count_tokens": ({"messages": [{"role": "user", "content": "Hi"}]}, MESSAGES),
    "/v1/chat/completions/input_tokens": ({"messages": [{"role": "user", "content": "Hi"}]}, {**SHARED, **CHAT}),
    "/v1/responses/input_tokens": ({"input": "Hi"}, {**SHARED, **RESPONSE}),
    "/v1/apply-template": ({"messages": [{"role": "user", "content": "Hi"}]}, {**SHARED, **CHAT}),
    "/v1/tokenize": ({"content": "Hi"}, {"content": TEXT, "with_pieces": st.booleans(), "add_special": st.booleans()}),
    "/v1/detokenize": ({"tokens": []}, {"tokens": st.lists(st.integers(0, 4095), max_size=8)}),
    "/api/show": ({}, {"verbose": st.booleans()}),
    "/api/pull": ({}, {"stream": some(False, True, None)}),
}


#: Names that mean something to one endpoint or another, beside those above.
OTHERS = (
    "stream", "n", "metadata", "user", "suffix", "best_of", "logprobs", "logit_bias", "max_completion_tokens", "store",
    "enable_thinking", "chat_template_kwargs", "reasoning_effort", "reasoning", "think", "modalities", "prompt",
    "functions", "function_call", "web_search_options", "previous_response_id", "conversation", "background", "include",
    "truncation", "service_tier", "prediction", "audio",
)  # fmt: skip


def _requests(path: str, wild: bool) -> Strategy:
    good, own = ENDPOINTS[path]
    fields = {**SHARED, **own}
    sound = st.fixed_dictionaries({"stream": st.booleans()}, optional=fields)
    anything = st.dictionaries(some(*fields, *OTHERS), JSON, min_size=1, max_size=2)
    return st.builds(lambda one, more: (path, {**good, **one, **more}), sound, anything if wild else st.just({}))


SOUND = st.one_of(*(_requests(path, wild=False) for path in ENDPOINTS))
WILD = st.one_of(*(_requests(path, wild=True) for path in ENDPOINTS))
WORDS = some(
    "<think>", "</think>", CALL, "<tool_call>", "</tool_call>", "{", "}", "[", '"', '{"at": "cup"}', "```json\n", "```",
    "\n", "\n\n", " ", "Hello", "你好🎉", "<tool_response>", "\\", "l", "x",
)  # fmt: skip
#: What the model says after its reasoning.
ANSWERS = some("Hello!", CALL, f"Look.\n{CALL}\nOver.", '{"at": "cup"}', "```json\n[1]\n```", "{", "", "</think>") | (
    st.lists(WORDS, max_size=8).map("".join)
)
