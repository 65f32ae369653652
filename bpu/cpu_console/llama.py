"""Wraps llama.cpp as a function from a prompt to pieces of text.

It knows nothing of the console's protocol. The library is a server and opens a listening socket. Here it listens on a
Unix socket in a folder of mode 0700 while it loads, and the socket is closed before the first prompt, so that no other
process can connect.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

#: llama.cpp's verbosity that prints errors alone.
_ERRORS = 1
#: How often a waiting thread of llama.cpp spins before it sleeps. With libgomp's high default, waiting threads take the
#: processor from the one they wait for, and answers on a busy computer become ten times slower. An idle computer is as
#: fast with this count as with the default.
_SPINS = "1000"


class LoadError(Exception):
    """The model file cannot be loaded. The library has printed the reason on stderr."""


class GenerationError(Exception):
    """The library refused the prompt or failed while it answered."""


class Figures(NamedTuple):
    """Token counts of one answer, and rates in tokens per second."""

    cached: int = 0
    prefilled: int = 0
    generated: int = 0
    prefill_rate: float = 0.0
    decode_rate: float = 0.0


class Llama:
    """A loaded model with one sequence in its KV cache.

    So the common prefix of two prompts is computed once.
    """

    def __init__(self, path: str, *, context: int, threads: int, longest: int, sampling: Mapping[str, float]) -> None:
        """`context` in tokens; `threads` 0: llama.cpp's own choice; `longest` answer in tokens, -1: no limit.

        Raises `LoadError`, and `ImportError` without the package `xllamacpp`.
        """
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)  # libgomp reads it when it is loaded
        import xllamacpp

        self._options = {"n_predict": longest, "cache_prompt": True, **sampling}
        folder = tempfile.mkdtemp(prefix="bpu-cpu-")
        try:
            self._server = xllamacpp.Server(_parameters(xllamacpp, path, context, threads, folder))
        except RuntimeError as error:
            raise LoadError(str(error)) from None
        finally:
            close_listeners()
            shutil.rmtree(folder, ignore_errors=True)

    def complete(self, prompt: str, on_text: Callable[[str], None]) -> Figures:
        """Answer `prompt`, passing each piece to `on_text`, until the end token or a full context.

        Raises `GenerationError`.
        """
        answers: list[Mapping[str, Any]] = [{}]

        def on_chunk(answer: Mapping[str, Any]) -> None:
            choices = answer.get("choices")
            if choices and choices[0].get("text"):
                on_text(choices[0]["text"])
            answers[0] = answer

        self._server.handle_completions({"prompt": prompt, "stream": True, **self._options}, on_chunk)
        if "timings" not in answers[0]:
            raise GenerationError(_reason(answers[0]))
        return _figures(answers[0]["timings"])


def _parameters(library: Any, path: str, context: int, threads: int, folder: str) -> Any:
    params = library.CommonParams()
    params.model.path = path
    params.n_ctx = context
    params.n_parallel = 1
    params.verbosity = _ERRORS
    if threads > 0:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    # No copies of other conversations, so that only the model and its one context use memory.
    params.cache_ram_mib = 0
    params.n_ctx_checkpoints = 0
    params.ctx_shift = False
    params.ui = False
    params.n_threads_http = 1
    params.hostnames = [f"{folder}/llama.sock"]
    return params


def close_listeners() -> None:
    """Shut down every listening socket of this process, so that the library's HTTP thread ends."""
    for link in list(Path("/proc/self/fd").iterdir()):
        try:
            copy = socket.socket(fileno=os.dup(int(link.name)))
        except OSError:  # not a socket, or the descriptor of the listing itself
            continue
        with copy:
            if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                copy.shutdown(socket.SHUT_RDWR)


def _reason(answer: Mapping[str, Any]) -> str:
    error = answer.get("error", answer)
    return str(error.get("message", error) if isinstance(error, Mapping) else error)


def _figures(timings: Mapping[str, Any]) -> Figures:
    return Figures(
        cached=int(timings.get("cache_n", 0)),
        prefilled=int(timings.get("prompt_n", 0)),
        generated=int(timings.get("predicted_n", 0)),
        prefill_rate=float(timings.get("prompt_per_second") or 0),
        decode_rate=float(timings.get("predicted_per_second") or 0),
    )
