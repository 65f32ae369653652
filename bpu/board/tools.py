"""Runs other programs, except the model's console, which the engine runs.

No shell is used, every wait has a limit, and the gateway's API keys are never passed on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from bpu.errors import EngineUnavailable
from bpu.messages import os_reason, translate

#: Searched after PATH, because the PATH of a service or an ordinary user often lacks these.
EXTRA_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/hobot/bin")
#: Debian package of each program, for the remedy.
PACKAGES = {
    "avahi-resolve": "avahi-utils",
    "dtc": "device-tree-compiler",
    "fdtget": "device-tree-compiler",
    "fdtput": "device-tree-compiler",
    "devmem": "busybox",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "ldd": "libc-bin",
    "nginx": "nginx",
    "nmcli": "network-manager",
    "promtool": "prometheus",
    "setpriv": "util-linux",
    "ss": "iproute2",
    "stdbuf": "coreutils",
    "sudo": "sudo",
    "systemctl": "systemd",
    "systemd-analyze": "systemd",
}
#: Variables that hold secrets or change how children buffer their output; they are not passed to programs.
WITHHELD = ("BPU_API_KEYS", "PYTHONUNBUFFERED")


class ToolMissing(EngineUnavailable):
    """A program is not installed. The message names the Debian package if it is known."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.package = PACKAGES.get(program)
        key = "tools.missing_package" if self.package else "tools.missing"
        super().__init__(translate(key, program=program, package=self.package))


class ToolFailed(EngineUnavailable):
    """A program could not be started, or did not finish in time."""


@dataclass(frozen=True)
class Result:
    """The output of a program.

    `code` is its exit code, or minus the signal that ended it. Broken UTF-8 is replaced.
    """

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Whether the program exited with 0."""
        return self.code == 0


def find(program: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the path of `program` in PATH or in `EXTRA_FOLDERS`.

    Return None if it is not found.
    """
    return shutil.which(program, path=_path(environ))


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    input: str | None = None,  # noqa: A002 - the word of the standard library
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    popen: type[subprocess.Popen[bytes]] | None = None,
) -> Result:
    """Run a program to its end, and return its output and exit code.

    A non-zero code raises nothing. `env` is added to the environment, whose locale is English so that output can be
    parsed. After `timeout` seconds the program and its children are killed. Raises `ToolMissing` or `ToolFailed`.
    """
    words = [_required(str(argv[0])), *map(str, argv[1:])]
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    try:
        process = _start(
            # Looked up at the call, because gevent may have patched the module after this one was imported.
            popen or subprocess.Popen,
            words,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment({"LC_ALL": "C.UTF-8", "LANGUAGE": "", **(env or {})}),
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolFailed(translate("tools.not_started", program=words[0], reason=os_reason(error))) from error
    return _finish(process, None if input is None else input.encode(), timeout, Path(words[0]).name)


def start(argv: Sequence[str | Path], *, cwd: Path | None = None) -> int:
    """Start a program in the background with this process's output; return its pid.

    Raises `ToolMissing`, `ToolFailed`. The caller ends it; the program itself must end when the caller has ended.
    """
    words = [_required(str(argv[0])), *map(str, argv[1:])]
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, env=_environment({}), cwd=cwd, start_new_session=True
        )
    except OSError as error:
        raise ToolFailed(translate("tools.not_started", program=words[0], reason=os_reason(error))) from error
    process.returncode = 0  # not waited for here, because gunicorn's master reaps every child
    return process.pid


def run_attached(argv: Sequence[str | Path], *, cwd: Path | None = None) -> int:
    """Run a program on this terminal to its end; return its exit code. Raises `ToolMissing`."""
    words = [_required(str(argv[0])), *map(str, argv[1:])]
    # Ctrl-C reaches both processes. API keys are passed on, because the program is a command of this project.
    return subprocess.run(words, cwd=cwd, check=False).returncode


def replace(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    execute: Callable[[str, list[str], dict[str, str]], Any] = os.execve,
) -> NoReturn:
    """Replace this process by another program with the same terminal, pid and environment. Raises `ToolMissing`."""
    words = [_required(str(argv[0])), *map(str, argv[1:])]
    if cwd is not None:
        os.chdir(cwd)
    execute(words[0], words, {**os.environ, **(env or {})})
    raise AssertionError("execve returned")


def _required(program: str) -> str:
    found = find(program)
    if found is None:
        raise ToolMissing(program)
    return found


def _path(environ: Mapping[str, str]) -> str:
    return os.pathsep.join([environ.get("PATH") or os.defpath, *EXTRA_FOLDERS])


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in WITHHELD}
    return {**kept, "PATH": _path(os.environ), **extra}


def _start(kind: type[subprocess.Popen[bytes]], words: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program; if the start is interrupted, kill it.

    `Popen` waits for the child's `exec` after the fork. A killed greenlet or a KeyboardInterrupt may end this wait, and
    then the caller has no object by which to end the child. So the object is made first.
    """
    process = kind.__new__(kind)
    try:
        process.__init__(words, **options)  # type: ignore[misc]
    except BaseException:
        # A child that could not `exec` has been waited for, so its pid may be another process by now.
        if getattr(process, "pid", None) is not None and process.returncode is None:
            process.kill()  # it may not have a group of its own yet
            _kill_group(process)
            process.wait()
        raise
    return process


def _finish(process: subprocess.Popen[bytes], data: bytes | None, timeout: float, program: str) -> Result:
    with process:
        try:
            out, err = process.communicate(data, timeout)
        except BaseException as error:
            # Also on KeyboardInterrupt or in a killed greenlet, because no caller waits for the children then.
            _kill_group(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise ToolFailed(translate("tools.timeout", program=program, seconds=timeout)) from None
            raise
    return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
