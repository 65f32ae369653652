"""The console itself: load, banner, then one line one turn, in the order in which the real programs print."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bpu.simulator import configs, logs, options
from bpu.simulator.faults import Fault, Faults, Outcome, Scene
from bpu.simulator.profiles import PROMPT
from bpu.simulator.stdio import Stdio

if TYPE_CHECKING:
    from bpu.simulator.turn import Speaker


def main(arguments: Sequence[str]) -> int:
    """Run until `exit`, the end of the input, or a fault. Returns the exit code."""
    try:
        chosen = options.parse(arguments)
    except options.WrongArgument as problem:
        return options.refuse(arguments, problem)
    except SystemExit as end:  # --help
        return int(end.code or 0)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    console = Console(chosen, Stdio())
    code = console.run()
    console.stdio.flush()
    return code


class Console:
    """One process's life. Every wait and every word is in here or in `Speaker`."""

    def __init__(self, chosen: options.Options, stdio: Stdio) -> None:
        self._started = time.monotonic()
        self.chosen, self.profile, self.stdio = chosen, chosen.profile, stdio
        self.faults = Faults(chosen.faults, once=chosen.fault_once, every=chosen.fault_every)
        self.scene = Scene(stdio, self.profile.program, chosen.hbm_path)

    def run(self) -> int:
        if self.chosen.self_buffering:
            self.stdio.buffer_fully()
        self.happen("start")
        code = self._load()
        return self._serve() if code is None else code

    def happen(self, phase: str, faults: Sequence[Fault] | None = None) -> Outcome:
        """Let the faults of `phase` happen, each after its seconds."""
        for fault in self.faults.due(phase) if faults is None else faults:
            time.sleep(fault.after)
            if self.faults.run(fault, self.scene) is Outcome.NO_PROMPT:
                return Outcome.NO_PROMPT
        return Outcome.GO_ON

    # Loading

    def _load(self) -> int | None:
        """Everything up to the first prompt; an exit code if it fails."""
        chosen, profile, stdio = self.chosen, self.profile, self.stdio
        for line in logs.VERSIONS:
            stdio.err(line + "\n")
        stdio.err(logs.SIMULATED + "\n")
        if profile.echoes_arguments:
            for line in logs.arguments(chosen.hbm_path, chosen.tokenizer_dir, chosen.template_path, chosen.model_type):
                stdio.out(line)
        load_faults = self.faults.due("load")
        self.happen("load", load_faults)
        if self.profile.name == "vlm" and chosen.config:
            stdio.out(f"config_path: {chosen.config}\n")
        if not self._files_there():
            return self._fail(*logs.load_failed(profile.program, chosen.hbm_path))
        for line in logs.LIBRARY:
            stdio.err(line + "\n")
        if (code := self._read_files(load_faults)) is not None:
            return code
        time.sleep(max(0.0, self._started + chosen.load_seconds - time.monotonic()))
        if chosen.model_type not in profile.model_types:
            return self._fail(f"Error: model_type {chosen.model_type} is not supported\n")
        self._ready()
        return None

    def _read_files(self, load_faults: Sequence[Fault]) -> int | None:
        from bpu.simulator.turn import Speaker

        chosen, profile = self.chosen, self.profile
        template = None
        try:
            if any(fault.name == "template" for fault in load_faults):
                raise OSError
            if not profile.own_template:
                template = Path(chosen.template_path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            self.stdio.out(f"open {chosen.template_path} failed\n")
            return self._fail() if profile.template_exit else 0
        folder = Path(chosen.tokenizer_dir)
        if not (folder / "tokenizer.json").is_file():
            text = f"open {folder / 'tokenizer.json'} failed"
            return self._fail(logs.log_line(text, profile.program, where="tokenizer.cpp:54"))
        self.speaker: Speaker = Speaker(self, template, folder)
        return None

    def _fail(self, *lines: str) -> int:
        for line in lines:
            self.stdio.err(line)
        self.stdio.out(self.profile.failed)
        return 1

    def _files_there(self) -> bool:
        """Whether the model's files are there, where that matters: with `--strict`, or when a file names them."""
        config = self.chosen.read_config
        if config is None or not self.profile.own_template:
            return not self.chosen.strict or Path(self.chosen.hbm_path).is_file()
        return all(Path(path).is_file() for path in (config.hbm_path, *config.parts))

    def refused_prompt(self) -> str | None:
        """What the library says at a prompt when the cores, or their memory, do not fit the model."""
        config = self.chosen.read_config
        if config is None or not config.cores:
            return None
        return configs.wrong_cores(config) or configs.wrong_l2m(config, os.environ.get(configs.L2M, ""))

    def _ready(self) -> None:
        if self.profile.init_line:
            self.stdio.out(logs.INIT_OK)
        self.stdio.out(self.profile.ready)
        self.stdio.out(self.profile.banner.replace("{llm}", self._name(0)).replace("{vit}", self._name(1)))
        self.prompt(PROMPT)
        self.happen("ready")

    def _name(self, number: int) -> str:
        """The name of the language or the vision model's file."""
        config = self.chosen.read_config
        paths = [self.chosen.hbm_path, *(config.parts if config else ())]
        return Path(paths[number]).name if number < len(paths) else ""

    def prompt(self, text: str) -> None:
        """The prompt is always flushed: a person waits for it."""
        self.stdio.out(text)
        self.stdio.flush()

    # Serving

    def _serve(self) -> int:
        from bpu.simulator.lines import lines

        for line in lines(self):
            if not self.command(line):
                self._turn(line)
        if self.profile.images:
            while True:  # the real one never looks at the end of its input
                pass
        return 0

    def command(self, line: bytes) -> bool:
        """Obey `exit` and `reset`, which a console that reads ahead does in the midst of an answer."""
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
            self.speaker.image(line)
        elif self.profile.images and line == b"regen":
            self.speaker.again()
        else:
            self.speaker.turn(line)

    def _reset(self) -> None:
        self.speaker.cache.reset()
        faults = self.faults.due("reset")
        outcome = self.happen("reset", faults)
        if outcome is Outcome.GO_ON and not any(fault.name == "bad-reset" for fault in faults):
            self.prompt(PROMPT)
