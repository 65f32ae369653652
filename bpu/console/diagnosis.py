"""Finds why a console ended or did not start, in a table of real failures.

Its last lines and its exit tell. Pure: it reads log lines (never echo or answer) and returns a cause, a remedy, and
whether the failure is permanent. Sources of the failures: docs/console-protocol.md#failures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from signal import Signals


@dataclass(frozen=True)
class Diagnosis:
    """Why a console failed.

    `cause` is a stable key, `message` names cause and remedy in whole sentences. `permanent`: another start fails, too,
    until a person changes something.
    """

    cause: str
    message: str
    permanent: bool


@dataclass(frozen=True)
class _Rule:
    """One row of the table.

    It matches when `words` (a regular expression) match and the exit is one of `exits`. An exit is an exit code or a
    negative signal number; None stands for a process that has not ended. `{0}` in the message is the first group of
    `words`.
    """

    cause: str
    permanent: bool
    message: str
    words: str = ""
    exits: tuple[int | None, ...] = ()


_MEMORY = (
    "Stop other programs that use the BPU (`bpu reclaim`), or enlarge its memory pool (`bpu ion apply bpu_first`, "
    "then reboot)."
)
_MAIN_MEMORY = "Raise BPU_CONSOLE_MEMORY_MB if it is set, or stop other programs."

#: Unambiguous rules come first; what a library prints beside other causes comes later.
_RULES = (
    _Rule(
        "no_main_memory",
        True,
        "The console's libraries do not fit into the main memory that it may use. " + _MAIN_MEMORY,
        r"failed to map segment",
    ),
    _Rule(
        "missing_library",
        True,
        "The console cannot be started because the shared library {0} was not found. "
        "Set BPU_RUNTIME_DIR to the SDK's runtime folder, whose lib/ holds it.",
        r"error while loading shared libraries: ([^:\s]+)",
    ),
    _Rule(
        "wrong_machine",
        True,
        "The console program is not made for this machine's processor. Run the gateway on the board, "
        "or set BPU_ENGINE=simulator.",
        r"Exec format error|cannot execute binary file",
    ),
    _Rule(
        "not_executable",
        True,
        "The console program may not be executed by this user. Make it executable with `chmod +x`, "
        "or correct BPU_CONSOLE.",
        r"(?:setpriv|stdbuf|sh|bash): .*Permission denied",
    ),
    _Rule(
        "missing_program",
        True,
        "The program {0} was not found. Correct BPU_RUNTIME_DIR and BPU_CONSOLE, "
        "or install what is missing (setpriv is in util-linux, stdbuf in coreutils).",
        r"(?:setpriv|stdbuf|sh|bash)[^\n]*?: (?:[^\n]*?(?:execute|run command) )?['‘\"]?([^\s'’\":]+)['’\"]?: "
        r"(?:No such file or directory|not found|command not found)",
    ),
    _Rule(
        "bad_launcher",
        True,
        "The helper {0} does not know an option that the gateway gives it. Install a newer util-linux and coreutils.",
        r"(setpriv|stdbuf): (?:unrecognized|unknown|invalid) option",
    ),
    _Rule(
        "model_type",
        True,
        "The console refuses the model type. Set BPU_MODEL_TYPE to the number that this SDK gives to the model's "
        "family: they differ between SDK versions.",
        r"--model_type is invalid|[Uu]nsupported model.?type|model_type .*not support",
    ),
    _Rule(
        "missing_model",
        True,
        "The console did not accept the model file. Check BPU_HBM_PATH, and BPU_MODEL_TYPE, "
        "which must fit the model's family.",
        r"--hbm_path is required",
    ),
    _Rule(
        "bad_option",
        True,
        "The console does not know an option that it was given. Check BPU_CONSOLE_PROFILE and BPU_CONSOLE_ARGS "
        "against this SDK's version.",
        r"(?:unknown|unrecognized|invalid) (?:option|argument)|requires an argument",
    ),
    _Rule(
        "template_unreadable",
        True,
        "The console cannot open {0}. Correct BPU_TEMPLATE_PATH, BPU_TOKENIZER_DIR or BPU_HBM_PATH, "
        "or give this user the right to read the file.",
        r"^open (.+) failed",
    ),
    _Rule(
        "memory_ran_out",
        False,
        "The BPU ran out of contiguous memory while it answered. Ask a shorter question; if it comes back: " + _MEMORY,
        r"Allocate memory failed|AllocError",
    ),
    _Rule(
        "no_bpu_memory",
        True,
        "The BPU has no contiguous memory for the model. " + _MEMORY,
        r"Cannot malloc bpu memory|ION_IOC_ALLOC|HBRT4_STATUS_RESOURCE_EXHAUSTED|ion_alloc ret=-12|mKrun error",
    ),
    _Rule(
        "no_bpu_memory",
        True,
        "The console failed with `run error` and ended, which on these boards means that the BPU has no contiguous "
        "memory left. " + _MEMORY,
        r"^run error",
        (0, 1),
    ),
    _Rule(
        "run_error",
        False,
        "The console says that this turn failed (`run error`). A shorter question may pass; if it comes back, "
        "memory is the usual cause: " + _MEMORY,
        r"^run error",
    ),
    _Rule(
        "bad_model",
        True,
        "The model file cannot be read as a model by this SDK. Check that it was copied whole and that it is made "
        "for this board and SDK version.",
        r"HBRT4_STATUS_BAD_DATA",
    ),
    _Rule(
        "bad_gguf",
        True,
        "llama.cpp could not load the model: its file is damaged or of a kind that it does not know, or main memory is "
        "short. Copy it again, or name another in BPU_GGUF; the last lines say more.",
        r"llama_model_load",
    ),
    _Rule(
        "load_failed",
        True,
        "The console could not load the model. Check BPU_HBM_PATH, BPU_TOKENIZER_DIR, BPU_TEMPLATE_PATH and "
        "BPU_MODEL_TYPE; its last lines say more.",
        r"xlm init failed|Load hbm failed|Load model failed",
    ),
    _Rule(
        "no_main_memory",
        False,
        "The console was refused the main memory that it asked for. " + _MAIN_MEMORY,
        r"std::bad_alloc",
    ),
    _Rule(
        "overflow",
        False,
        "The console aborted because the conversation outgrew the model's context. "
        "Shorten it, or correct BPU_CONTEXT_SIZE if it is larger than the model's.",
        r"corrupted size vs\. prev_size",
    ),
    _Rule(
        "prefill_failed",
        False,
        "The console could not read the prompt in (`Failed to DoPrefill`), for want of BPU memory or because the "
        "prompt is too long. Ask a shorter question; if it comes back: " + _MEMORY,
        r"Failed to DoPrefill",
    ),
    _Rule(
        "bad_option",
        True,
        "The console printed its usage instead of starting, so its options are wrong. Check BPU_CONSOLE_PROFILE and "
        "BPU_CONSOLE_ARGS against this SDK's version.",
        r"^\s*[Uu]sage\b",
        (0, 1, 2),
    ),
    _Rule(
        "missing_library",
        True,
        "The console or a library that it needs was not found (exit code 127). Check BPU_RUNTIME_DIR and BPU_CONSOLE.",
        exits=(127,),
    ),
    _Rule(
        "not_executable",
        True,
        "The console program cannot be executed (exit code 126). Make it executable with `chmod +x`, "
        "or correct BPU_CONSOLE.",
        exits=(126,),
    ),
    _Rule(
        "overflow",
        False,
        "The console aborted (SIGABRT), as it does when a conversation outgrows the model's context. "
        "Shorten it, or correct BPU_CONTEXT_SIZE if it is larger than the model's.",
        exits=(-Signals.SIGABRT,),
    ),
    _Rule(
        "killed",
        False,
        "The console was killed (SIGKILL), by a person or because the system ran out of memory. "
        "It is started again; see `dmesg` if it comes back.",
        exits=(-Signals.SIGKILL,),
    ),
    _Rule(
        "exited",
        False,
        "The console was asked to end (SIGTERM or SIGINT) by something else than the gateway. It is started again.",
        exits=(-Signals.SIGTERM, -Signals.SIGINT),
    ),
)


def diagnose(lines: Sequence[str], *, exit_code: int | None = None, signal: int | None = None) -> Diagnosis:
    """Diagnose a failure from a console's last log `lines` and its exit.

    If both are None, it has not ended by itself. An exit code of 128 + n is read as signal n, because shells report
    signals so. The first matching rule wins.
    """
    end = _end(exit_code, signal)
    text = "\n".join(lines)
    for rule in _RULES:
        found = re.search(rule.words, text, re.MULTILINE) if not rule.exits or end in rule.exits else None
        if found is not None:
            return Diagnosis(rule.cause, rule.message.format(*found.groups()), rule.permanent)
    return _unknown(end)


def _end(exit_code: int | None, signal: int | None) -> int | None:
    if signal is not None:
        return -signal
    return 128 - exit_code if exit_code is not None and 128 < exit_code < 160 else exit_code


def _unknown(end: int | None) -> Diagnosis:
    if end is None:
        return Diagnosis("unknown", "The console did not do what was expected of it. It is started again.", False)
    if end < 0:
        name = Signals(-end).name if -end in set(Signals) else f"signal {-end}"
        return Diagnosis("crashed", f"The console crashed ({name}). It is started again.", False)
    return Diagnosis("exited", f"The console ended by itself with exit code {end}. It is started again.", False)
