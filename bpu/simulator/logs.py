"""Formats start-up lines, library logs, statistics and failures. It prints nothing.

Their forms are those of real logs: docs/console-protocol.md#start-up, docs/console-protocol.md#statistics and
docs/console-protocol.md#failures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from bpu.simulator.pacing import Figures, rate

VERSIONS = (
    "[UCP]: log level = 3",
    "[UCP]: UCP version = 3.7.3",
    "[VP]: log level = 3",
    "[DNN]: log level = 3",
    "[HPL]: log level = 3",
    "[UCPT]: log level = 6",
)
HBRT = "3.6.1_(4.2.7post0.dev202307211111+6aaae37 HBRT)"
LIBRARY = (
    "[BPU][[BPU_MONITOR]][281473285378048][INFO]BPULib verison(2, 1, 2)[0d3f195]!",
    "[DNN] HBTL_EXT_DNN log level:6",
    f"[DNN]: {HBRT}",
)
SIMULATED = "[SIM] this is a simulator: no model file is read and no BPU is used"
INIT_OK, INIT_FAILED = "xlm init success\n", "xlm init failed\n"


def log_line(text: str, program: str, *, level: str = "E", where: str = "configuration.cpp:188") -> str:
    """`[E][29163][02-26][22:02:19:008][configuration.cpp:188][xlm_demo][DNN] text` with a newline."""
    now = time.time()
    stamp = time.strftime("[%m-%d][%H:%M:%S", time.localtime(now))
    return f"[{level}][{os.getpid()}]{stamp}:{int(now * 1000) % 1000:03d}][{where}][{program}][DNN] {text}\n"


def arguments(hbm_path: str, tokenizer_dir: str, template_path: str, model_type: int) -> Iterator[str]:
    yield f"hbm_path: {hbm_path}\n"
    yield f"tokenizer_dir: {tokenizer_dir}\n"
    yield f"template_path: {template_path}\n"
    yield f"model_type: {model_type}\n"


def no_memory_at_load(program: str, hbm_path: str) -> Iterator[str]:
    yield log_line(
        "[HBRT] 4.2.7post0.dev202307211111+6aaae37: Cannot malloc bpu memory with length 2234994104 bytes",
        program,
        where="hbrt4_memory.cpp:96",
    )
    yield log_line("Fail to do ION_IOC_ALLOC(ret=Cannot allocate memory)", program, where="ion.cpp:210")
    yield from load_failed(program, hbm_path, "HBRT4_STATUS_RESOURCE_EXHAUSTED")


def load_failed(program: str, hbm_path: str, status: str = "HBRT4_STATUS_BAD_DATA") -> Iterator[str]:
    yield log_line(f"[Model] Load hbm failed! error: {status}", program, where="model.cpp:142")
    yield log_line(f"[Model] Load model failed, model file:{hbm_path}", program, where="model.cpp:88")


def no_memory_later(program: str) -> Iterator[str]:
    yield log_line("Allocate memory failed, size: 786432, alignment: 64, backend: 9", program, where="mem.cpp:61")
    yield "AllocError { len: 2359296 }\n"


def prefill_failed(program: str) -> Iterator[str]:
    yield log_line("Failed to DoPrefill", program, where="xlm_engine.cpp:377")


def chatter(program: str) -> str:
    return log_line("bpu task queue is long, a task waits", program, level="W", where="task_queue.cpp:73")


def unreadable_image(path: str) -> str:
    """OpenCV's warning; what the console itself prints is not known."""
    return (
        f"[ WARN:0@7.310] global loadsave.cpp:268 findDecoder imread_('{path}'): can't open/read file: check file "
        "path/integrity\n"
    )


def vision_statistics(kind: str, images: int) -> str:
    """The figures of the vision model, printed by the console that paints its statistics."""
    if kind != "colour":
        return ""
    return (
        f"\n\n\033[38;2;0;128;255m===== vit cost: {42.733 * images:f} ms, vit infer cost: {41.2 * images:f} ms =====\n"
    )


def statistics(kind: str, figures: Figures) -> str:
    """The console's figures of a turn; `kind` is `line`, `colour`, `tps` or `none`."""
    prefill = rate(figures.prefill_tokens, figures.prefill_s)
    decode = rate(figures.decode_tokens, figures.decode_s)
    if kind == "line":
        return f"\nPerformance prefill: {prefill:.2f}tokens/s    decode: {decode:.2f}tokens/s\n"
    if kind == "colour":
        each = figures.decode_s * 1000 / max(1, figures.decode_tokens)
        return (
            f"\n\n\033[38;2;0;128;255m===== prefill token num: {figures.prefill_tokens} "
            f"prefill cost: {figures.prefill_s * 1000:f} ms, prefill speed: {prefill:f} tokens/s =====\n"
            f"===== decode token num: {figures.decode_tokens} cost per token: {each:f} ms, "
            f"decode speed: {decode:f} tokens/s =====\n\033[0m\n"
        )
    if kind == "tps":
        return f"\n[Performance] prefill TPS: {prefill:.0f} tokens/s  decode TPS: {decode:.1f} tokens/s\n"
    return ""
