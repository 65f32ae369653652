"""Defines how each model's console is started and limited.

Launch specifications are sent to the keeper as JSON. Standard library only.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_IDENTITY = (
    *("argv", "cwd", "files", "profile", "simulated", "model", "lock_path", "state_dir", "context"),
    *("per_job", "reset", "continues"),
)


@dataclass(frozen=True)
class LaunchSpec:
    """How one console is started and limited.

    Paths are strings, times are seconds, 0 means no limit. `simulated`, `cpu`: the console is the simulator, or a model
    on this computer's processor. `memory_mb` and `core_mb` are MiB; `core_mb` 0 means no core dump. `exam_limit_s`
    limits how long the first waiting job waits for an examination; 0 means none while a job waits. `image_timeout_s`
    limits the step that reads images. The model needs `need_bytes` of the BPU's memory, `largest_bytes` of them in one
    pool; 0 means unknown. The pools are read below `sysfs`.
    """

    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    profile: str
    simulated: bool
    model: str
    lock_path: str
    state_dir: str
    files: dict[str, str]
    context: int
    per_job: bool
    reset: str
    continues: str
    preload: bool
    idle_unload_s: float
    load_timeout_s: float
    first_token_timeout_s: float
    stall_timeout_s: float
    job_timeout_s: float
    memory_mb: int
    core_mb: int
    queue_limit: int
    log_format: str
    data_dir: str = ""
    exam_limit_s: float = 45.0
    image_timeout_s: float = 60.0
    cpu: bool = False
    swap_after_s: float = 20.0
    need_bytes: int = 0
    largest_bytes: int = 0
    sysfs: str = "/"

    @cached_property
    def fingerprint(self) -> str:
        """Equal for launches that can share one console: same program, model, arguments and mode.

        Limits and the caller's environment are not part of it.
        """
        return _digest([getattr(self, name) for name in _IDENTITY])

    @cached_property
    def text(self) -> str:
        """The launch as JSON, encoded once."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @property
    def owns_lock(self) -> bool:
        """Whether the lock is a file in the state folder, not the console program."""
        return self.simulated or self.cpu

    def to_json(self) -> str:
        """Return the specification as JSON text."""
        return self.text

    @property
    def command(self) -> str:
        """The command line, for a log or a message."""
        return shlex.join(self.argv)


#: The argument by which a gateway that logs no lines of level `info` starts its keeper.
BRIEF = "brief"
#: Longest JSON of a launch, in characters, so that it fits into a packet with all other fields of a job.
LONGEST_TEXT = 48_000
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "tuple[str, ...]": (list,),
    "dict[str, str]": (dict,),
}


def launch_from_json(text: str) -> LaunchSpec:
    """Parse `LaunchSpec.text`. Raises `ValueError` if it is no launch specification."""
    if len(text) > LONGEST_TEXT:
        raise ValueError("the launch is too long")
    try:
        fields = json.loads(text)
    except RecursionError as error:
        raise ValueError("the launch is nested too deeply") from error
    names = {one.name: str(one.type) for one in dataclasses.fields(LaunchSpec)}
    if not isinstance(fields, dict) or set(fields) != set(names):
        raise ValueError("these are not the fields of a launch")
    for name, kind in names.items():
        value = fields[name]
        parts = value if isinstance(value, list) else [*value, *value.values()] if isinstance(value, dict) else []
        if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
            raise ValueError(f"{name} is no {kind}")
        if not all(isinstance(part, str) for part in parts):
            raise ValueError(f"{name} holds something else than text")
        if isinstance(value, (int, float)) and not 0 <= value < 1e15:
            raise ValueError(f"{name} is out of range")
    if not fields["argv"]:
        raise ValueError("argv is empty")
    return LaunchSpec(**{**fields, "argv": tuple(fields["argv"])})


@dataclass(frozen=True)
class LaunchTable:
    """The launch specifications of all models that can be started, the default one among them.

    `previous` are the fingerprints of the same gateway's earlier tables, because after a reload its keeper goes on with
    the new table.
    """

    launches: tuple[LaunchSpec, ...]
    default: str
    previous: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """The digest of all launches. It changes with any of them."""
        return _digest(sorted(launch.fingerprint for launch in self.launches))

    @cached_property
    def default_launch(self) -> LaunchSpec:
        """The launch of the model for requests that name none."""
        return self.launch(self.default)

    def launch(self, model: str) -> LaunchSpec:
        """Return the launch specification of the model with this id. Raises `KeyError`."""
        return {launch.model: launch for launch in self.launches}[model]

    @property
    def lock_paths(self) -> list[str]:
        """The lock paths of all console programs, in the order of taking them.

        Every keeper takes them in that order.
        """
        return sorted({launch.lock_path for launch in self.launches})

    def to_json(self) -> str:
        """Return the table as JSON text, as the keeper reads it from stdin."""
        return json.dumps({"default": self.default, "launches": [launch.text for launch in self.launches]})


def table_of(launches: LaunchSpec | Iterable[LaunchSpec]) -> LaunchTable:
    """Make a table of these launches; the first one is its default."""
    found = (launches,) if isinstance(launches, LaunchSpec) else tuple(launches)
    return LaunchTable(found, found[0].model)


def table_from_json(text: str) -> LaunchTable:
    """Parse `LaunchTable.to_json`. Raises `ValueError`, `KeyError` or `TypeError`."""
    fields = json.loads(text)
    return LaunchTable(tuple(launch_from_json(one) for one in fields["launches"]), str(fields["default"]))


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True).encode()
    return f"{zlib.crc32(text):08x}{zlib.adler32(text):08x}"
