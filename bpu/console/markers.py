"""The byte patterns that have a meaning in a console's output.

The stages know which meaning. Each was read in a public source or log of the SDKs, which docs/console-protocol.md
names. Everything else is the model's text.
"""

from __future__ import annotations

import re

from bpu.console.scanner import literals, template

#: Every known console prints these before it reads a line, and before it answers. Both end in a blank
#: (docs/console-protocol.md#a-turn).
PROMPT = b"[User] <<< "
MARKER = b"[Assistant] >>> "

#: `mK` is what remains of `ESC [ m ESC [ K` where a log viewer or a copy lost the ESC bytes
#: (docs/console-protocol.md#a-turn).
RUN_ERRORS = (b"run error", b"mKrun error")

#: Colours and "erase to the end of the line"; consoles paint statistics and errors with them.
COLOURS = [template("colour", b"\x1b[*" + final, {b"*": re.compile(rb"[0-9;]{0,32}")}) for final in (b"m", b"K")]

_FIELDS = {b"#": re.compile(rb"[0-9]{1,20}"), b"*": re.compile(rb"[^\]\[\r\n]{1,80}")}

#: The beginning of a library's log line, strict enough that no model writes it by chance:
#: `[E][29163][02-26][22:02:19:008][configuration.cpp:188][xlm_demo]`, and
#: `[BPU][[BPU_MONITOR]][281473285378048][INFO]` (docs/console-protocol.md#start-up).
LOG_HEADS = [
    *(template("log", b"[%c][#][#-#][#:#:#:#][*][*]" % level, _FIELDS) for level in b"TDIWECFV"),
    template("log", b"[BPU][[*]][#][*]", _FIELDS),
]

#: The first bytes of the end of an answer, a colour, a log line and a special token. A read without any of them is the
#: model's text, and most reads of an answer hold none.
FIRST_BYTES = re.compile(rb"[\n\[\x1b<]")

#: Heads of library lines and of the exit message that may come while no answer runs; too short to count inside one.
IDLE_HEADS = (b"[UCP]", b"[UCPT]", b"[VP]", b"[DNN]", b"[HPL]", b"[BPU]", b"[HBRT]", b"[system out] >>> ")

#: Lines, without a log line's head, with which consoles, libraries and the C library announce their end
#: (docs/console-protocol.md#failures).
FAILURE_HEADS = (
    b"Failed to DoPrefill",
    b"Allocate memory failed",
    b"AllocError",
    b"Fail to do ION_IOC_ALLOC",
    b"Cannot malloc bpu memory",
    b"ion_alloc ret=",
    b"[Model] Load ",
    b"xlm init failed",
    b"corrupted size vs. prev_size",
    b"double free or corruption",
    b"free(): ",
    b"malloc(): ",
    b"munmap_chunk(): ",
    b"terminate called ",
    b"  what():  ",
    b"Segmentation fault",
    b"Aborted",
)

_END_TOKENS = (
    "<｜end▁of▁sentence｜>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
)
_ROLE_TOKENS = (
    "<｜User｜>",
    "<｜Assistant｜>",
    "<|im_start|>",
    "<|start_header_id|>",
    "<｜tool▁outputs▁begin｜>",  # a tool's result, which only a client sends
)
_OTHER_TOKENS = (
    "<｜begin▁of▁sentence｜>",
    "<｜▁pad▁｜>",
    "<|begin_of_text|>",
    "<|end_header_id|>",
    "<|finetune_right_pad_id|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

#: Special tokens of the models that run on these boards (docs/console-protocol.md#special-tokens). Left out are
#: `<think>`, `<tool_call>` and DeepSeek's marks of calls, which `bpu.chat` reads, and `</s>`, `<s>`, which are HTML as
#: well.
TOKENS = [
    *literals("end", (token.encode() for token in _END_TOKENS)),
    *literals("role", (token.encode() for token in _ROLE_TOKENS)),
    *literals("token", (token.encode() for token in _OTHER_TOKENS)),
]
