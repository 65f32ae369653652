"""Runs the console, with the output of `xlm_demo` 0.9.0.

Load, banner, then one turn a line.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from bpu.cpu_console.llama import Figures, GenerationError, Llama, LoadError
from bpu.cpu_console.stdio import Stdio
from bpu.cpu_console.template import Frame, TemplateError, frame

PROMPT = "[User] <<< "
ANSWER = "\n[Assistant] >>> "
BANNER = "板端大模型多轮对话交互demo，请输入你的问题并按下回车 \n- 退出请输入exit\n- 清除缓存请输入reset\n"
GOODBYE = "[system out] >>> 好的，祝您生活愉快，再见~\n"
LOAD_FAILED = "xlm init failed\n"
#: Stands for a line break within a line. A backslash and an `n` are not converted, because program text holds them.
LINE_BREAK = "\N{SYMBOL FOR NEWLINE}"
#: Used if the model has no sampling settings: answers vary, but a small model keeps to its subject.
SAMPLING = {"temperature": 0.6, "top_p": 0.95, "top_k": 40, "repeat_penalty": 1.1}
#: Names in `generation_config.json`, and llama.cpp's names for the same settings.
_SAMPLING_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
}


class UnknownOption(Exception):
    """An unknown option; the text is the real program's message."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UnknownOption(message)


def main(arguments: Sequence[str]) -> int:
    """Run until `exit`, the end of the input or a failure. Returns the exit code."""
    stdio = Stdio()
    try:
        options = _options(arguments)
    except UnknownOption as problem:
        stdio.err(f"{problem}\n")
        return 1
    # The default actions end the process at once, in the midst of an answer too.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    code = Console(options, stdio).run()
    stdio.flush()
    return code


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="python -m bpu.cpu_console", description=__doc__, allow_abbrev=False)
    parser.add_argument("--hbm_path", required=True, help="the model, a GGUF file")
    parser.add_argument("--tokenizer_dir", default="", help="folder of tokenizer_config.json, generation_config.json")
    parser.add_argument("--template_path", required=True, help="the chat template, in Jinja")
    parser.add_argument("--model_type", type=int, default=0, help="taken for the sake of the protocol; not used")
    parser.add_argument("--context", type=int, default=4096, metavar="N", help="size of the context in tokens")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="threads; 0: as many as there are cores")
    parser.add_argument(
        "--tokens", type=int, default=-1, metavar="N", help="longest answer; as long as fits by default"
    )
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise UnknownOption(f"unknown option: {unknown[0]}")
    return options


class Console:
    """One process from load to exit, on its main thread."""

    def __init__(self, options: argparse.Namespace, stdio: Stdio) -> None:
        self._options, self._stdio = options, stdio
        self._text = ""  # the text in the model's KV cache

    def run(self) -> int:
        """Load the model and answer lines until the input ends; return the exit code."""
        options, stdio = self._options, self._stdio
        for name in ("hbm_path", "tokenizer_dir", "template_path", "model_type"):
            stdio.out(f"{name}: {getattr(options, name)}\n")
        try:
            self._load()
        except (OSError, UnicodeDecodeError):
            stdio.out(f"open {options.template_path} failed\n")
        except TemplateError as error:
            stdio.err(f"[Template] {options.template_path}: {error}\n")
        except ImportError as error:
            stdio.err(f"[Model] llama.cpp cannot be loaded: {error}\n")
        except LoadError:
            stdio.err(f"[Model] Load model failed, model file:{options.hbm_path}\n")
        else:
            stdio.err("[cpu] the library's own server was closed, so that no other program can connect to this one\n")
            stdio.out(BANNER)
            self._prompt()
            return self._serve()
        stdio.out(LOAD_FAILED)
        return 1

    def _load(self) -> None:
        folder = Path(self._options.tokenizer_dir or ".")
        config = _json(folder / "tokenizer_config.json")
        bos, eos = _word(config.get("bos_token")), _word(config.get("eos_token"))
        source = Path(self._options.template_path).read_text(encoding="utf-8")
        self._frame: Frame = frame(source, bos=bos, eos=eos)
        # llama.cpp puts this token before every prompt by itself where the model's file says so.
        self._implicit_bos = bos if config.get("add_bos_token") is True else ""
        self._llama = Llama(
            self._options.hbm_path,
            context=self._options.context,
            threads=self._options.threads,
            longest=self._options.tokens,
            sampling={**SAMPLING, **_sampling(_json(folder / "generation_config.json"))},
        )

    def _prompt(self) -> None:
        """Print the prompt and flush it, because a person waits for it."""
        self._stdio.out(PROMPT)
        self._stdio.flush()

    def _serve(self) -> int:
        for raw in sys.stdin.buffer:
            line = raw.rstrip(b"\n").split(b"\0")[0]
            if line == b"exit":
                self._stdio.out(GOODBYE)
                return 0
            if line == b"reset":
                self._text = ""
                self._prompt()
                continue
            try:
                self._turn(line)
            except GenerationError as error:
                # The content of the KV cache is unknown now, so the process ends.
                self._stdio.err(f"[cpu] the turn failed: {error}\n")
                self._stdio.out("run error\n")
                return 1
        return 0

    def _turn(self, line: bytes) -> None:
        stdio, before, after = self._stdio, self._frame.opening, self._frame.closing
        if self._text:
            before = self._frame.between
        stdio.out(before.encode() + line + after.encode() + ANSWER.encode())
        prompt = self._text + before + line.decode("utf-8", "replace").replace(LINE_BREAK, "\n") + after
        answer: list[str] = []

        def on_text(piece: str) -> None:
            answer.append(piece)
            stdio.out(piece)

        figures = self._llama.complete(prompt.removeprefix(self._implicit_bos), on_text)
        self._text = prompt + "".join(answer)
        self._print_figures(figures)

    def _print_figures(self, figures: Figures) -> None:
        self._stdio.err(
            f"[cpu] prompt: {figures.cached + figures.prefilled} tokens, {figures.cached} of them from the cache; "
            f"answer: {figures.generated} tokens\n"
        )
        self._stdio.out(
            f"\nPerformance prefill: {figures.prefill_rate:.2f}tokens/s    decode: {figures.decode_rate:.2f}tokens/s\n"
        )
        self._prompt()


def _json(path: Path) -> Mapping[str, Any]:
    """Read the JSON object in the file `path`; empty if there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _word(value: Any) -> str:
    """Read a special token, which is a string or an object with `content`."""
    word = value.get("content") if isinstance(value, dict) else value
    return word if isinstance(word, str) else ""


def _sampling(config: Mapping[str, Any]) -> dict[str, float]:
    found = {ours: config.get(theirs) for theirs, ours in _SAMPLING_NAMES.items()}
    return {name: value for name, value in found.items() if isinstance(value, (int, float)) and value >= 0}
