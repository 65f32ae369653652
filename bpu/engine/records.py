"""What is known of one console program with one set of arguments, kept in the state folder: a self-test, a probe."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpu.engine.cache import Trust
from bpu.engine.launch import Launch


class Records:
    """`trust` is None until this very console, known by its checksum, has been tested; `probe` is what `doctor`
    measured on it, empty until then."""

    def __init__(self, folder: Path, launch: Launch) -> None:
        self._path = folder / f"console-{checksum(launch)}.json"
        known = self._load()
        self.trust: Trust | None = _trust(known.get("trust"))
        self.probe: Mapping[str, Any] = _mapping(known.get("probe"))

    def _load(self) -> Mapping[str, Any]:
        try:
            return _mapping(json.loads(self._path.read_text()))
        except (OSError, ValueError):
            return {}

    def save(self, trust: Trust) -> None:
        """Remember `trust`; a folder that cannot be written costs only the memory beyond this process."""
        self.trust = trust
        self._write()

    def save_probe(self, facts: Mapping[str, Any]) -> None:
        self.probe = facts
        self._write()

    def longest_line(self, supposed: int) -> int:
        """The longest line in bytes that is safe, 0 for no limit: `supposed`, unless a probe has seen it otherwise."""
        longest, split = self.probe.get("longest_line"), self.probe.get("split_at")
        if not isinstance(longest, int):
            return supposed
        if isinstance(split, int) and longest:
            return longest
        return supposed and max(supposed, longest)

    def _write(self) -> None:
        known = {"trust": self.trust and dataclasses.asdict(self.trust), "probe": dict(self.probe)}
        temporary = self._path.with_suffix(".new")
        try:
            temporary.write_text(json.dumps(known, indent=2) + "\n")
            temporary.replace(self._path)
        except OSError:
            temporary.unlink(missing_ok=True)


def _mapping(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, dict) else {}


def _trust(told: Any) -> Trust | None:
    try:
        return Trust(**told)
    except TypeError:
        return None


def checksum(launch: Launch) -> str:
    """Of the program and its arguments: another build, model or option is another console."""
    digest = hashlib.sha256(json.dumps(launch.argv).encode())
    try:
        with Path(launch.argv[0]).open("rb") as program:
            while block := program.read(1 << 20):
                digest.update(block)
    except OSError:
        pass
    return digest.hexdigest()[:16]
