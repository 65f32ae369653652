"""How one console is run and watched, as plain data that travels to the keeper as JSON. Standard library only."""

from __future__ import annotations

import dataclasses
import json
import shlex
import zlib
from dataclasses import dataclass
from functools import cached_property

_IDENTITY = (
    *("argv", "cwd", "files", "profile", "simulated", "model", "lock_path", "state_dir", "context"),
    *("per_job", "reset", "continues"),
)


@dataclass(frozen=True)
class Launch:
    """How the console is run and watched. Paths are strings, times are seconds, 0 means no limit.

    `simulated`, `cpu`: what answers is the simulator, or a model on this computer's processor.
    `memory_mb` and `core_mb` are MiB; here 0 for cores means none at all. `exam_limit_s` is how long the first waiting
    job may wait in all for an examination of the console; 0: not at all.
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
    cpu: bool = False

    @cached_property
    def fingerprint(self) -> str:
        """Equal for launches that may share one console: the same program, model and arguments, kept the same way.

        Limits, and the environment of whoever starts it (a service, somebody's terminal), make no other console.
        """
        told = json.dumps([getattr(self, name) for name in _IDENTITY], sort_keys=True).encode()
        return f"{zlib.crc32(told):08x}{zlib.adler32(told):08x}"

    @property
    def owns_lock(self) -> bool:
        """Whether the lock is a file of the state folder, made if need be, and not the console program itself."""
        return self.simulated or self.cpu

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @property
    def command(self) -> str:
        """The command line, for a log or a message."""
        return shlex.join(self.argv)


def launch_from_json(text: str) -> Launch:
    """The inverse of `Launch.to_json`. Raises `ValueError`, `KeyError` or `TypeError` for what is none."""
    fields = json.loads(text)
    return Launch(**{**fields, "argv": tuple(fields["argv"])})
