"""Runs the console: load, banner, then one turn a line."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bpu.simulator import configs, logs, options
from bpu.simulator.faults import Fault, FaultContext, Faults, Outcome
from bpu.simulator.profiles import PROMPT
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
        """Load, then answer lines until the input ends; return the exit code."""
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
        if self.profile.name == "vlm" and parsed.config:
            stdio.out(f"config_path: {parsed.config}\n")
        if not self._files_exist():
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
        template = None
        try:
            if any(fault.name == "template" for fault in load_faults):
                raise OSError
            if not profile.own_template:
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
        self.stdio.out(self.profile.failed)
        return 1

    def _files_exist(self) -> bool:
        """Whether the model's files exist; without `--strict`, only files named by a configuration count."""
        config = self.options.read_config
        if config is None or not self.profile.own_template:
            return not self.options.strict or Path(self.options.hbm_path).is_file()
        return all(Path(path).is_file() for path in (config.hbm_path, *config.parts))

    def refused_prompt(self) -> str | None:
        """Return the library's error for cores or memory that do not fit the model."""
        config = self.options.read_config
        if config is None or not config.cores:
            return None
        return configs.wrong_cores(config) or configs.wrong_l2m(config, os.environ.get(configs.L2M, ""))

    def _ready(self) -> None:
        if self.profile.init_line:
            self.stdio.out(logs.INIT_OK)
        self.stdio.out(self.profile.ready)
        self.stdio.out(self.profile.banner.replace("{llm}", self._name(0)).replace("{vit}", self._name(1)))
        self.prompt(PROMPT)
        self.run_faults("ready")

    @property
    def unreadable_images(self) -> bool:
        """Whether a fault makes all image files unreadable."""
        return any(fault.name == "image-unreadable" for fault in self.options.faults)

    def _name(self, number: int) -> str:
        """The name of the language or the vision model's file."""
        config = self.options.read_config
        paths = [self.options.hbm_path, *(config.parts if config else ())]
        return Path(paths[number]).name if number < len(paths) else ""

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
            self.stdio.out(self.profile.goodbye)
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
