"""What a self-test has shown of one console program with one set of arguments, kept in the state folder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from bpu.engine.cache import Trust
from bpu.engine.launch import Launch


class Records:
    """`trust` is None until this very console, known by its checksum, has been tested."""

    def __init__(self, folder: Path, launch: Launch) -> None:
        self._path = folder / f"console-{checksum(launch)}.json"
        self.trust: Trust | None = self._load()

    def _load(self) -> Trust | None:
        try:
            return Trust(**json.loads(self._path.read_text())["trust"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, trust: Trust) -> None:
        """Remember `trust`; a folder that cannot be written costs only the memory beyond this process."""
        self.trust = trust
        temporary = self._path.with_suffix(".new")
        try:
            temporary.write_text(json.dumps({"trust": dataclasses.asdict(trust)}, indent=2) + "\n")
            temporary.replace(self._path)
        except OSError:
            temporary.unlink(missing_ok=True)


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
