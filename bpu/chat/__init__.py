"""Requests to prompt lines, console events to answers. Pure: no process, no clock, no Flask.

Down, a request becomes a `Turn`: `parse_chat` (`requests`) checks it, `build_conversation` (`conversation`) brings its
messages into one form, `Template` (`template`) renders them, and `Prompter` (`prompt`) makes and counts the one line.

Up, a console's event becomes the client's bytes in seven steps:

1. `bpu.console.parser` turns the bytes read from the console's pipe into events (`Text`, `Stats`, `Done`, ...).
2. `bpu.chat.answer_decoder`: `AnswerDecoder` makes an `AnswerReader` (`bpu.chat.pipeline`) in the way that this model's
   template needs, which passes each piece of text through steps 3 to 5 and emits deltas.
3. `bpu.chat.limits`: `TokenLimit` counts the tokens and cuts the answer at the client's `max_tokens`.
4. `bpu.chat.reasoning`: `Splitter` separates the reasoning from the answer.
5. `bpu.chat.limits`: `StopStrings` cuts the answer before a stop string. Then `ToolCallScanner`
   (`bpu.chat.tool_call_scanner`) takes tool calls out of it, where the request has tools. The results are deltas.
6. One module for each wire format makes JSON objects of the deltas: `bpu.chat.chunks` (Chat Completions),
   `bpu.chat.completions`, `bpu.chat.responses`, `bpu.chat.ollama`, `bpu.chat.anthropic`.
7. `bpu.web.sse` (streamed) or `bpu.web.json_response` (in one piece) encodes the objects as bytes.

In a worker all steps are plain calls, one after another, in the event loop's callback that has read the pipe
(`bpu.web.answer_chain`). The greenlet of the request only sends the bytes, so that a slow client does not slow the
console. A command runs steps 1 to 5 in its own process, without HTTP.
"""
