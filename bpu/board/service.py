"""Makes the systemd units of this project, and the steps that install or remove them.

Units are text made from the files in `deploy/`; a step is a value that can be shown before it runs.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bpu import settings_file
from bpu.board import tools
from bpu.errors import BadRequest, EngineUnavailable
from bpu.messages import os_reason, translate
from bpu.project import PROJECT
from bpu.settings import ARTICLE_RUNTIME
from bpu.trusted_files import read_trusted

GATEWAY = "bpu-gateway.service"
PERFORMANCE = "bpu-performance.service"
ENV_FILE = settings_file.SYSTEM_FILE
KEYS_FILE = ENV_FILE.with_name("keys")
UNIT_FOLDER = Path("/etc/systemd/system")
#: The file by which Avahi, if installed, announces the gateway on the network.
AVAHI_FILE = Path("/etc/avahi/services/bpu-gateway.service")
#: The units of a Debian package; the settings of this machine are then in a drop-in.
PACKAGED_UNITS = Path("/usr/lib/systemd/system")
PACKAGED_HOME = Path("/usr/lib/rdk-bpu-gateway")
DROP_IN = UNIT_FOLDER / f"{GATEWAY}.d" / "bpu.conf"
#: The paths in the files of `deploy/`, which are replaced by this machine's.
_EXAMPLE_PROJECT = "/opt/rdk-bpu-gateway"
_EXAMPLE_PYTHON = f"{_EXAMPLE_PROJECT}/.venv/bin/python"
#: gunicorn waits five seconds longer than the workers; then the console is ended and all processes reaped.
STOP_MARGIN_S = 30
SYSTEMCTL_S = 120.0

Run = Callable[..., tools.Result]


@dataclass(frozen=True)
class Machine:
    """The values of one machine in a unit: `graceful_s` is `BPU_GRACEFUL_S`; `user` runs the gateway."""

    project: Path
    python: Path
    user: str = "root"
    runtime_dir: Path = ARTICLE_RUNTIME
    graceful_s: float = 30.0

    @property
    def is_packaged(self) -> bool:
        """Whether a Debian package has installed the units."""
        return self.project.is_relative_to(PACKAGED_HOME)

    @property
    def stop_s(self) -> int:
        """How long systemd must wait for the gateway to stop."""
        return max(60, round(self.graceful_s) + STOP_MARGIN_S)


@dataclass(frozen=True)
class Step:
    """One step: write `text` to `path` (None: remove the file), or run the program `argv`."""

    path: Path | None = None
    text: str | None = None
    mode: int = 0o644
    argv: tuple[str, ...] = ()
    owner: str = "root"

    @property
    def description(self) -> str:
        """One line for a person, in the terminal's language."""
        if self.argv:
            return translate("service.run", command=" ".join(self.argv))
        key = "service.remove_file" if self.text is None else "service.write"
        return translate("service.keep" if self.is_unchanged else key, path=self.path)

    @property
    def is_unchanged(self) -> bool:
        """Whether the file already has this text and mode."""
        if self.path is None or self.text is None or not self.path.is_file():
            return False
        return self.path.stat().st_mode & 0o777 == self.mode and self.path.read_text(encoding="utf-8") == self.text


def unit(name: str, machine: Machine) -> str:
    """Return the unit `name` for `machine`. Raises `BadRequest` for folders that a unit cannot name."""
    _check_paths(machine)
    text = (PROJECT / "deploy" / name).read_text(encoding="utf-8")
    text = text.replace(_EXAMPLE_PYTHON, str(machine.python)).replace(_EXAMPLE_PROJECT, str(machine.project))
    text = text.replace(str(ARTICLE_RUNTIME), str(machine.runtime_dir))
    text = re.sub(r"(?m)^TimeoutStopSec=.*$", f"TimeoutStopSec={machine.stop_s}", text)
    return re.sub(r"(?m)^User=.*$", f"User={machine.user}", text)


def drop_in(machine: Machine) -> str:
    """Return the drop-in that adapts the packaged unit to `machine`. Raises `BadRequest` as `unit` does."""
    _check_paths(machine)
    lines = [f"User={machine.user}", f"TimeoutStopSec={machine.stop_s}", f"ReadWritePaths=-{machine.runtime_dir}"]
    return "".join(f"{line}\n" for line in ["# Written by `bpu service install`.", "[Service]", *lines])


def _check_paths(machine: Machine) -> None:
    for path in (machine.project, machine.python, machine.runtime_dir):
        if re.search(r"[\s\"'%\\$]", str(path)):
            raise BadRequest(translate("service.odd_path", path=path), param="path")


@dataclass(frozen=True)
class Values:
    """The content of the settings file.

    Variables that differ from the defaults, and keys for a separate file.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()


def installation(
    machine: Machine,
    values: Values = Values(),
    *,
    performance: bool,
    start: bool,
    announced: str | None = None,
    root: Path = Path("/"),
) -> list[Step]:
    """Return the steps that install the service below `root`.

    Programs run only for the real root. `announced` is the text of Avahi's file, if Avahi is installed.
    """
    names = [GATEWAY, *([PERFORMANCE] if performance else [])]
    steps = [*_settings_steps(machine, values, root), *_unit_steps(machine, names, root)]
    if announced is not None:
        # Avahi notices a new file by itself.
        steps.append(Step(path=below(root, AVAHI_FILE), text=announced))
    elif below(root, AVAHI_FILE).exists():
        steps.append(Step(path=below(root, AVAHI_FILE)))
    if root != Path("/"):
        return steps
    orders = [["daemon-reload"], ["enable", *names], *([["restart", *names]] if start else [])]
    return [*steps, *(Step(argv=("systemctl", *words)) for words in orders)]


def _settings_steps(machine: Machine, values: Values, root: Path) -> list[Step]:
    file = below(root, ENV_FILE)
    example = PROJECT / "deploy" / "bpu.env.example"
    if root == Path("/") and os.path.lexists(file):
        # What another user could have written must not become root's own by being written again.
        text = read_trusted(file)
    else:
        text = (file if file.exists() else example).read_text(encoding="utf-8")
    changes = dict(values.variables)
    steps = []
    if values.keys:
        text_of_keys = "".join(f"{key}\n" for key in values.keys)
        steps.append(Step(path=below(root, KEYS_FILE), text=text_of_keys, mode=0o600, owner=machine.user))
        changes |= {settings_file.SECRET: "", "BPU_API_KEYS_FILE": str(KEYS_FILE)}
    return [*steps, Step(path=file, text=settings_file.apply_changes(text, changes))]


def _unit_steps(machine: Machine, names: Sequence[str], root: Path) -> list[Step]:
    if not machine.is_packaged:
        return [Step(path=below(root, UNIT_FOLDER / name), text=unit(name, machine)) for name in names]
    # A unit of an earlier clone would hide the package's.
    hiding = [path for name in names if (path := below(root, UNIT_FOLDER / name)).is_file()]
    return [*(Step(path=path) for path in hiding), Step(path=below(root, DROP_IN), text=drop_in(machine))]


def removal(*, purge: bool, root: Path = Path("/")) -> list[Step]:
    """Return the steps that remove the service; the settings stay unless `purge`.

    It is empty if none is installed. Units of a Debian package are only disabled, because the package removes them.
    """
    own = [name for name in (GATEWAY, PERFORMANCE) if below(root, UNIT_FOLDER / name).exists()]
    units = own + [name for name in _packaged(root) if name not in own]
    settings = (ENV_FILE, KEYS_FILE) if purge else ()
    wanted = (*(UNIT_FOLDER / name for name in own), DROP_IN, AVAHI_FILE, *settings)
    steps = [Step(path=below(root, path)) for path in wanted if below(root, path).exists()]
    if root != Path("/") or not units:
        return steps
    return [
        Step(argv=("systemctl", "disable", "--now", *units)),
        *steps,
        Step(argv=("systemctl", "daemon-reload")),
    ]


def _packaged(root: Path) -> list[str]:
    return [name for name in (GATEWAY, PERFORMANCE) if below(root, PACKAGED_UNITS / name).exists()]


def below(root: Path, path: Path) -> Path:
    """Return the absolute `path` below another root."""
    return root / path.relative_to("/")


def run_steps(
    steps: Sequence[Step], *, run: Run = tools.run, announce: Callable[[str], None] = lambda words: None
) -> None:
    """Do the steps in order, each announced first. Raises `EngineUnavailable` at the first failure."""
    for step in steps:
        announce(step.description)
        if step.argv:
            result = run(step.argv, timeout=SYSTEMCTL_S)
            if not result.ok:
                raise EngineUnavailable(
                    translate("service.failed", command=" ".join(step.argv), reason=(result.err or result.out).strip())
                )
        elif not step.is_unchanged:
            _write_file(step)


def _write_file(step: Step) -> None:
    assert step.path is not None
    try:
        if step.text is None:
            step.path.unlink(missing_ok=True)
            if step.path.parent.name.endswith(".d"):
                with contextlib.suppress(OSError):  # drop-ins of others may be in it
                    step.path.parent.rmdir()
            return
        step.path.parent.mkdir(parents=True, exist_ok=True)
        part = step.path.with_name(f".{step.path.name}.new")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, step.mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, step.mode)
            if step.owner != "root":
                os.fchown(descriptor, pwd.getpwnam(step.owner).pw_uid, -1)
            file.write(step.text)
        part.replace(step.path)
    except OSError as error:
        reason = os_reason(error)
        raise EngineUnavailable(translate("service.no_write", path=step.path, reason=reason)) from error


def state(name: str, *, run: Run = tools.run) -> dict[str, str]:
    """Return systemd's properties of a unit: `LoadState`, `ActiveState`, `SubState`, `UnitFileState`, `MainPID`."""
    wanted = ("LoadState", "ActiveState", "SubState", "UnitFileState", "MainPID")
    result = run(["systemctl", "show", name, *(f"--property={one}" for one in wanted)], timeout=20)
    return dict(line.split("=", 1) for line in result.out.splitlines() if "=" in line)
