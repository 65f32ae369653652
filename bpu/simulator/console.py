"""Runs the console: load, banner, then one turn a line."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bpu.simulator import logs, options
from bpu.simulator.faults import Fault, FaultContext, Faults, Outcome
from bpu.simulator.profiles import GOODBYE, PROMPT
from bpu.simulator.stdio import Stdio

if TYPE_CHECKING:
    from bpu.simulator.model_session import ModelSession


def main(arguments: Sequence[str]) -> int:
    """Run until `exit`, the end of the input, or a fault. Returns the exit code."""
    try:
        parsed = options.parse(arguments)
    except options.WrongArgument as problem:
        return options.refuse(arguments, problem)
    except SystemExit as end:  # --help
        return int(end.code or 0)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    console = Console(parsed, Stdio())
    code = console.run()
    console.stdio.flush()
    return code


class Console:
    """One process from start to exit, on its main thread.

    Waits and writes, as `ModelSession` does for the turns.
    """

    def __init__(self, parsed: options.Options, stdio: Stdio) -> None:
        self._started = time.monotonic()
        self.options, self.profile, self.stdio = parsed, parsed.profile, stdio
        self.faults = Faults(parsed.faults, once=parsed.fault_once, every=parsed.fault_every)
        self.fault_context = FaultContext(stdio, self.profile.program, parsed.hbm_path)

    def run(self) -> int:
        if self.options.self_buffering:
            self.stdio.buffer_fully()
        self.run_faults("start")
        code = self._load()
        return self._serve() if code is None else code

    def run_faults(self, phase: str, faults: Sequence[Fault] | None = None) -> Outcome:
        """Run the faults of `phase`, each after its seconds."""
        for fault in self.faults.due(phase) if faults is None else faults:
            time.sleep(fault.after)
            if self.faults.run(fault, self.fault_context) is Outcome.NO_PROMPT:
                return Outcome.NO_PROMPT
        return Outcome.GO_ON

    # Loading

    def _load(self) -> int | None:
        """Print everything up to the first prompt; return an exit code if it fails."""
        parsed, profile, stdio = self.options, self.profile, self.stdio
        for line in logs.VERSIONS:
            stdio.err(line + "\n")
        stdio.err(logs.SIMULATED + "\n")
        if profile.echoes_arguments:
            for line in logs.arguments(parsed.hbm_path, parsed.tokenizer_dir, parsed.template_path, parsed.model_type):
                stdio.out(line)
        load_faults = self.faults.due("load")
        self.run_faults("load", load_faults)
        if parsed.strict and not Path(parsed.hbm_path).is_file():
            return self._fail(*logs.load_failed(profile.program, parsed.hbm_path))
        for line in logs.LIBRARY:
            stdio.err(line + "\n")
        if (code := self._read_files(load_faults)) is not None:
            return code
        time.sleep(max(0.0, self._started + parsed.load_seconds - time.monotonic()))
        if parsed.model_type not in profile.model_types:
            return self._fail(f"Error: model_type {parsed.model_type} is not supported\n")
        self._ready()
        return None

    def _read_files(self, load_faults: Sequence[Fault]) -> int | None:
        from bpu.simulator.model_session import ModelSession

        parsed, profile = self.options, self.profile
        try:
            if any(fault.name == "template" for fault in load_faults):
                raise OSError
            template = Path(parsed.template_path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            self.stdio.out(f"open {parsed.template_path} failed\n")
            return self._fail() if profile.template_exit else 0
        folder = Path(parsed.tokenizer_dir)
        if not (folder / "tokenizer.json").is_file():
            text = f"open {folder / 'tokenizer.json'} failed"
            return self._fail(logs.log_line(text, profile.program, where="tokenizer.cpp:54"))
        self.session: ModelSession = ModelSession(self, template, folder)
        return None

    def _fail(self, *lines: str) -> int:
        for line in lines:
            self.stdio.err(line)
        self.stdio.out(logs.INIT_FAILED)
        return 1

    def _ready(self) -> None:
        if self.profile.init_line:
            self.stdio.out(logs.INIT_OK)
        self.stdio.out(self.profile.banner)
        self.prompt(PROMPT)
        self.run_faults("ready")

    def prompt(self, text: str) -> None:
        """Print the prompt and flush it, as every console does."""
        self.stdio.out(text)
        self.stdio.flush()

    # Serving

    def _serve(self) -> int:
        from bpu.simulator.lines import lines

        for line in lines(self):
            if not self.run_command(line):
                self._turn(line)
        if self.profile.images:
            while True:  # the real one ignores the end of its input
                pass
        return 0

    def run_command(self, line: bytes) -> bool:
        """Obey `exit` and `reset`; a console that reads ahead does so during an answer."""
        if line == b"exit" and self.profile.exits:
            self.stdio.out(GOODBYE)
            self.stdio.flush()
            os._exit(0)
        if line == b"reset":
            self._reset()
            return True
        return False

    def _turn(self, line: bytes) -> None:
        if self.profile.images and line.startswith(b"/image"):
            self.session.image(line)
        elif self.profile.images and line == b"regen":
            self.session.repeat()
        else:
            self.session.turn(line)

    def _reset(self) -> None:
        self.session.cache.reset()
        faults = self.faults.due("reset")
        outcome = self.run_faults("reset", faults)
        if outcome is Outcome.GO_ON and not any(fault.name == "bad-reset" for fault in faults):
            self.prompt(PROMPT)
