"""Keeps in the data folder what is known of one console.

It keeps an examination's findings and a probe's facts. A record belongs to one console: one configuration, template,
tokenizer and model (its identity, known before the console runs), and one program with its libraries (its code, read
from the running process, because the vendor's libraries implement history and `reset`). It does not apply to a console
that differs in any of them. Keeper, workers and commands read records; only the holder of the engine's lock writes
them.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from bpu.engine.console_examination import VERSION, Findings
from bpu.engine.launch_spec import LaunchSpec
from bpu.errors import BpuError
from bpu.trusted_files import read_trusted

PATTERN = "console-*.json"
_LONGEST_RECORD = 1 << 20
_BLOCK = 1 << 20
#: The year 5000, in seconds since 1970.
_LATEST = 1e11
#: Console options that name a file or a folder; its contents are part of the identity, not its path.
_PATH_OPTIONS = ("--hbm_path", "--tokenizer_dir", "--template_path", "--config_path", "--config", "-c")
_CONFIGURATION_OPTIONS = ("--config", "-c")
#: The same names in a configuration file.
_PATH_KEYS = ("hbm_path", "tokenizer_dir", "template_path", "vocabulary_path")
#: Keys of the image console's file that name a model file, relative to the folder in `_MODEL_FOLDER_KEY`.
_MODEL_KEYS = ("llm_model_file", "vit_model_file", "embed_weight_file_path")
_MODEL_FOLDER_KEY = "model_dir"
_TOKENIZER_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
#: Libraries of the system and of `stdbuf`, which are not part of a console's code.
_SYSTEM = re.compile(
    r"(?:ld-linux|libc\.|libc-|libm\.|libm-|libmvec|libdl|librt|libpthread|libgcc_s|libstdc\+\+|libstdbuf|linux-vdso)"
)


@dataclass(frozen=True)
class CodeFile:
    """An executable or a library that a console has mapped; `path` is not compared."""

    path: str = field(compare=False)
    name: str
    size: int
    mtime_ns: int
    checksum: int

    def unchanged(self) -> bool:
        """Whether the file still has this size and modification time."""
        try:
            status = Path(self.path).stat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)


Code = tuple[CodeFile, ...]


class ConsoleRecord:
    """The record of the console of `launch`.

    It holds `findings`, `tries` (examinations begun without a final result) and `probe`. Until `identify` they are
    those of the last console with this identity, if the files of its code are unchanged. The keeper uses it in its one
    thread, workers and commands in their main thread.
    """

    def __init__(
        self,
        launch: LaunchSpec,
        *,
        code_of: Callable[[LaunchSpec, int], Code] | None = None,
        warn: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = Path(launch.data_dir or launch.state_dir)
        self.findings, self.tries, self.found_at = Findings(), 0, 0.0
        self.probe: Mapping[str, Any] = {}
        self._launch, self._warn, self._clock = launch, warn, clock
        self._code_of = code_of or CodeReader().code_of
        self._identity = identity(launch)
        self._code: Code = ()
        self._unwritten = self._warned = False
        if (known := self._read()) is not None and all(file.unchanged() for file in known.code):
            self._use_record(known)

    @property
    def path(self) -> Path:
        """The file of the record, named by the console's identity."""
        text = json.dumps(self._identity).encode()
        return self.folder / f"console-{zlib.crc32(text):08x}{zlib.crc32(text[::-1]):08x}.json"

    @property
    def exists(self) -> bool:
        """Whether the record's file exists."""
        return self.path.exists()

    def identify(self, pid: int) -> None:
        """Switch to the record of the console that runs as `pid` and is ready."""
        code, identity_now = self._code_of(self._launch, pid), identity(self._launch)
        same = (code, identity_now) == (self._code, self._identity)
        self._code, self._identity = code, identity_now
        if same and self._unwritten:
            return  # the file has not got what this object holds
        known = self._read()
        self._use_record(known if known is not None and known.code == code else _Known(code=code))

    def begin_try(self) -> None:
        """Count an examination before it begins, because a restart may end it at any time."""
        self.tries += 1
        self._write()

    def save(self, findings: Findings, *, least_tries: int = 0) -> None:
        """Add `findings` to what was known before, count at least `least_tries`, and write the record."""
        self.tries = max(self.tries, least_tries)
        before, self.findings = self.findings, self.findings.merged(findings)
        if self.findings != before:
            self.found_at = self._clock()
        self._write()

    def save_probe(self, facts: Mapping[str, Any]) -> None:
        """Add the facts of a probe to the record, and write it."""
        self.probe = facts
        self._write()

    def longest_line(self, supposed: int) -> int:
        """Return the longest safe line in bytes, 0 for no limit.

        `supposed`, unless a probe has measured another.
        """
        longest, split = self.probe.get("longest_line"), self.probe.get("split_at")
        if not _is_count(longest):
            return supposed
        if _is_count(split) and longest:
            return int(longest)
        return supposed and max(supposed, longest)

    # The file

    def _use_record(self, known: _Known) -> None:
        self._code, self.findings, self.tries = known.code, known.findings, known.tries
        self.found_at, self.probe, self._unwritten = known.found_at, known.probe, False

    def _read(self) -> _Known | None:
        return _parse_record(read_record(self.path), self._identity)

    def _write(self) -> None:
        """Write the record.

        If the folder cannot be written, it lives only as long as this process.
        """
        known = {
            "identity": self._identity,
            "code": [[one.path, one.size, one.mtime_ns, one.checksum] for one in self._code],
            "retains_history": self.findings.retains_history,
            "reset_works": self.findings.reset_works,
            "found_at": self.found_at,
            "tries": self.tries,
            "probe": dict(self.probe),
        }
        try:
            write_private(self.path, json.dumps(known, indent=1) + "\n")
            self._unwritten = False
        except OSError as error:
            self._unwritten = True
            if not self._warned:
                self._warned = True
                reason = error.strerror or str(error)
                self._warn(f"what is found out about the console cannot be kept in {self.folder}: {reason}")


@dataclass(frozen=True)
class _Known:
    code: Code = ()
    findings: Findings = field(default_factory=Findings)
    tries: int = 0
    found_at: float = 0.0
    probe: Mapping[str, Any] = field(default_factory=dict)


def records_in(folder: Path) -> list[Path]:
    """List the record files in `folder`."""
    return sorted(path for path in folder.glob(PATTERN) if path.is_file() and not path.is_symlink())


def forget(folder: Path) -> int:
    """Delete every record in `folder`; return their number. Raises OSError."""
    paths = records_in(folder)
    for path in paths:
        path.unlink()
    return len(paths)


def read_record(path: Path) -> Any:
    """Read the JSON of a record.

    Return None if another user could have written it or a folder above it.
    """
    if path.is_symlink():
        return None
    try:
        return json.loads(read_trusted(path, most=_LONGEST_RECORD))
    except (BpuError, OSError, ValueError, RecursionError):
        return None


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, which no other user may change.

    Raises OSError.
    """
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            os.fchmod(fd, 0o640)
            file.write(text)
            file.flush()
            os.fsync(fd)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _parse_record(fields: Any, expected: Sequence[str]) -> _Known | None:
    """Parse a record strictly; None if it is malformed or has another identity."""
    if not isinstance(fields, dict) or fields.get("identity") != list(expected):
        return None
    code, tries, found_at, probe = fields.get("code"), fields.get("tries"), fields.get("found_at"), fields.get("probe")
    retains, works = fields.get("retains_history"), fields.get("reset_works")
    if (retains is not None and retains is not True) or not (works is None or isinstance(works, bool)):
        return None
    if not _is_count(tries) or isinstance(found_at, bool) or not isinstance(found_at, (int, float)):
        return None
    if not 0 <= found_at < _LATEST:  # not a number, or no date
        return None
    if not isinstance(probe, dict) or not isinstance(code, list) or not all(map(_is_code, code)):
        return None
    files = tuple(CodeFile(path, Path(path).name, size, mtime, crc) for path, size, mtime, crc in code)
    return _Known(files, Findings(retains, works), tries, float(found_at), probe)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_code(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 4
        and isinstance(entry[0], str)
        and all(isinstance(number, int) and not isinstance(number, bool) for number in entry[1:])
    )


# The identity


def identity(launch: LaunchSpec) -> list[str]:
    """List the facts that identify a console before it runs, as lines of text."""
    facts = [f"examination {VERSION}", f"profile {launch.profile}", f"program {Path(launch.argv[0]).name}"]
    facts += _arguments(launch)
    facts += [f"{name}={value}" for name, value in sorted(launch.env.items()) if name.startswith("HB_")]
    if launch.owns_lock:
        # Its code is a folder of Python modules, which no process maps.
        modules = Path(launch.cwd) / "bpu" / ("cpu_console" if launch.cpu else "simulator")
        facts += [f"module {path.name} {_contents(path)}" for path in sorted(modules.glob("*.py"))]
    return facts


def _arguments(launch: LaunchSpec) -> Iterator[str]:
    cwd, option = Path(launch.cwd), ""
    for word in launch.argv[1:]:
        name, equals, value = word.partition("=")
        if option:
            yield from _path(launch, option, cwd / word)
            option = ""
        elif equals and name in _PATH_OPTIONS:
            yield from _path(launch, name, cwd / value)
        elif word in _PATH_OPTIONS:
            option = word
        else:
            yield word


def _path(launch: LaunchSpec, option: str, path: Path) -> Iterator[str]:
    if option.endswith("hbm_path"):
        yield f"{option} {_model(path)}"
    elif option in _CONFIGURATION_OPTIONS:
        yield from _configuration(launch, path)
    elif path.is_dir():
        for name in _TOKENIZER_FILES:
            yield f"{option} {name} {_contents(path / name)}"
    else:
        yield f"{option} {_contents(path)}"


def _configuration(launch: LaunchSpec, path: Path) -> Iterator[str]:
    # The gateway rewrites its own files at each load, so their planned contents count.
    fields = _object(launch.files[str(path)]) if str(path) in launch.files else read_configuration(path)
    if not fields:
        yield f"configuration {_contents(path)}"
    folder = Path(launch.cwd) / str(fields.get(_MODEL_FOLDER_KEY, ""))
    for key, value in sorted(fields.items()):
        if key in _PATH_KEYS and isinstance(value, str):
            yield from _path(launch, key, Path(launch.cwd) / value)
        elif key in _MODEL_KEYS and isinstance(value, str):
            yield f"{key} {_model(folder / value)}"
        elif key != _MODEL_FOLDER_KEY:
            yield f"{key}={json.dumps(value, sort_keys=True)}"


def configuration_path(launch: LaunchSpec) -> Path | None:
    """Return the configuration file named in the console's arguments; None for none or several."""
    argv, paths = launch.argv[1:], []
    for word, following in zip(argv, [*argv[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        if word in _CONFIGURATION_OPTIONS:
            paths.append(following)
        elif equals and name in _CONFIGURATION_OPTIONS:
            paths.append(value)
    return Path(launch.cwd) / paths[0] if len(paths) == 1 else None


def read_configuration(path: Path | None) -> dict[str, Any]:
    """Read a configuration file; empty if it cannot be read."""
    try:
        return {} if path is None else _object(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _object(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _model(path: Path) -> str:
    """Identify a model file by size, time and two checksums.

    They are those of its first and last MiB, because the file has gigabytes.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            checksum = zlib.crc32(file.read(_BLOCK))
            file.seek(max(0, status.st_size - _BLOCK))
            checksum = zlib.crc32(file.read(_BLOCK), checksum)
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns} {checksum:08x}"


def _contents(path: Path) -> str:
    try:
        return f"{path.stat().st_size} {_checksum(path):08x}"
    except OSError:
        return "missing"


def _checksum(path: Path) -> int:
    """Compute a CRC, not a cryptographic digest.

    `hashlib` would load four megabytes of OpenSSL into the keeper.
    """
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum


class CodeReader:
    """Finds the code of running consoles; reads an unchanged file only once.

    A record owns it, and the keeper calls it in its one thread.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._checksums: dict[tuple[str, int, int, int], int] = {}

    def code_of(self, launch: LaunchSpec, pid: int) -> Code:
        """List the executables and libraries of the process and its session.

        The console may be a wrapper script.
        """
        paths = {path for process in self._session(pid) for path in self._mapped(process)}
        program = Path(launch.cwd) / launch.argv[0]
        if program.is_file():
            paths.add(str(program.resolve()))
        files = [self._file(path) for path in paths if not _SYSTEM.match(Path(path).name)]
        return tuple(sorted((file for file in files if file is not None), key=lambda file: (file.name, file.checksum)))

    def _session(self, pid: int) -> Iterator[int]:
        yield pid
        for entry in self._proc.iterdir():
            if entry.name.isdigit() and int(entry.name) != pid and self._session_of(entry) == pid:
                yield int(entry.name)

    def _session_of(self, entry: Path) -> int | None:
        try:
            # After the name in brackets: state, parent, group, session.
            return int((entry / "stat").read_text().rpartition(")")[2].split()[3])
        except (OSError, ValueError, IndexError):
            return None

    def _mapped(self, pid: int) -> Iterator[str]:
        try:
            lines = (self._proc / str(pid) / "maps").read_text(errors="surrogateescape").splitlines()
        except OSError:
            return
        for line in lines:
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and "x" in fields[1] and fields[5].startswith("/"):
                yield fields[5]

    def _file(self, path: str) -> CodeFile | None:
        try:
            status = Path(path).stat()
            if not stat.S_ISREG(status.st_mode):
                return None
            key = (path, status.st_ino, status.st_size, status.st_mtime_ns)
            if key not in self._checksums:
                self._checksums[key] = _checksum(Path(path))
        except OSError:
            # The file was replaced while it is mapped, so its contents are unknown.
            return CodeFile(path, Path(path).name, -1, 0, 0)
        return CodeFile(path, Path(path).name, status.st_size, status.st_mtime_ns, self._checksums[key])
