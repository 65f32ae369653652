"""The systemd units of this project for one machine, and the steps that put them in place or take them away.

Units are text made from the files in `deploy/`; a step is a value that can be shown before it is done.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bpu.board import tools
from bpu.errors import BadRequest, EngineUnavailable
from bpu.messages import say
from bpu.project import PROJECT
from bpu.settings import ARTICLE_RUNTIME

GATEWAY = "bpu-gateway.service"
PERFORMANCE = "bpu-performance.service"
ENV_FILE = Path("/etc/bpu/bpu.env")
UNIT_FOLDER = Path("/etc/systemd/system")
#: What stands in the files of `deploy/`, to be replaced by this machine's own.
_PROJECT_THERE = "/opt/rdk-bpu-gateway"
_PYTHON_THERE = f"{_PROJECT_THERE}/.venv/bin/python"
#: gunicorn waits five seconds longer than the workers; then the console is ended and the rest reaped.
STOP_MARGIN_S = 30
SYSTEMCTL_S = 120.0

Run = Callable[..., tools.Result]


@dataclass(frozen=True)
class Machine:
    """What a unit must name. `graceful_s` is `BPU_GRACEFUL_S`; `user` runs the gateway."""

    project: Path
    python: Path
    user: str = "root"
    runtime_dir: Path = ARTICLE_RUNTIME
    graceful_s: float = 30.0


@dataclass(frozen=True)
class Step:
    """One thing to do: `text` (a file's content, None: remove it) at `path`, or a program to run."""

    path: Path | None = None
    text: str | None = None
    mode: int = 0o644
    argv: tuple[str, ...] = ()
    keeps: bool = False  # a file that is there already stays as it is

    @property
    def words(self) -> str:
        if self.argv:
            return say("service.run", command=" ".join(self.argv))
        key = "service.remove_file" if self.text is None else "service.write"
        return say("service.keep" if self.kept else key, path=self.path)

    @property
    def kept(self) -> bool:
        return self.keeps and self.path is not None and self.path.exists()


def unit(name: str, machine: Machine) -> str:
    """The unit `name` for `machine`. Raises `BadRequest` for folders that a unit cannot name."""
    for path in (machine.project, machine.python, machine.runtime_dir):
        if re.search(r"[\s\"'%\\$]", str(path)):
            raise BadRequest(say("service.odd_path", path=path), param="path")
    text = (PROJECT / "deploy" / name).read_text(encoding="utf-8")
    text = text.replace(_PYTHON_THERE, str(machine.python)).replace(_PROJECT_THERE, str(machine.project))
    text = text.replace(str(ARTICLE_RUNTIME), str(machine.runtime_dir))
    stop_s = max(60, round(machine.graceful_s) + STOP_MARGIN_S)
    text = re.sub(r"(?m)^TimeoutStopSec=.*$", f"TimeoutStopSec={stop_s}", text)
    return re.sub(r"(?m)^User=.*$", f"User={machine.user}", text)


def installation(machine: Machine, *, performance: bool, start: bool, root: Path = Path("/")) -> list[Step]:
    """The steps that install the service below `root`; programs are run for the real root alone."""
    names = [GATEWAY, *([PERFORMANCE] if performance else [])]
    example = (PROJECT / "deploy" / "bpu.env.example").read_text(encoding="utf-8")
    # It may come to hold API keys.
    steps = [Step(path=below(root, ENV_FILE), text=example, mode=0o600, keeps=True)]
    steps += [Step(path=below(root, UNIT_FOLDER / name), text=unit(name, machine)) for name in names]
    if root != Path("/"):
        return steps
    enable = ["enable", *(["--now"] if start else []), *names]
    return [*steps, *(Step(argv=("systemctl", *words)) for words in (["daemon-reload"], enable))]


def removal(*, purge: bool, root: Path = Path("/")) -> list[Step]:
    """The steps that take away what is installed; the settings stay unless `purge`. Empty when nothing is."""
    units = [name for name in (GATEWAY, PERFORMANCE) if below(root, UNIT_FOLDER / name).exists()]
    files = [UNIT_FOLDER / name for name in units] + ([ENV_FILE] if purge and below(root, ENV_FILE).exists() else [])
    steps = [Step(path=below(root, path)) for path in files]
    if root != Path("/") or not units:
        return steps
    return [
        Step(argv=("systemctl", "disable", "--now", *units)),
        *steps,
        Step(argv=("systemctl", "daemon-reload")),
    ]


def below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def do(steps: Sequence[Step], *, run: Run = tools.run, told: Callable[[str], None] = lambda words: None) -> None:
    """Do the steps in their order; `told` hears of each first. Raises `EngineUnavailable` at the first that fails."""
    for step in steps:
        told(step.words)
        if step.argv:
            result = run(step.argv, timeout=SYSTEMCTL_S)
            if not result.ok:
                raise EngineUnavailable(
                    say("service.failed", command=" ".join(step.argv), reason=(result.err or result.out).strip())
                )
        elif not step.kept:
            _put(step)


def _put(step: Step) -> None:
    assert step.path is not None
    try:
        if step.text is None:
            step.path.unlink(missing_ok=True)
            return
        step.path.parent.mkdir(parents=True, exist_ok=True)
        part = step.path.with_name(f".{step.path.name}.new")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, step.mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(step.text)
        part.replace(step.path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EngineUnavailable(say("service.no_write", path=step.path, reason=reason)) from error


def state(name: str, *, run: Run = tools.run) -> dict[str, str]:
    """What systemd says of a unit: `LoadState`, `ActiveState`, `SubState`, `UnitFileState`, `MainPID`."""
    wanted = ("LoadState", "ActiveState", "SubState", "UnitFileState", "MainPID")
    result = run(["systemctl", "show", name, *(f"--property={one}" for one in wanted)], timeout=20)
    return dict(line.split("=", 1) for line in result.out.splitlines() if "=" in line)
