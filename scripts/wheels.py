"""The wheels that a board needs for requirements.txt: aarch64, Python 3.10 to 3.12, nothing to compile.

`--check` resolves them without downloading; without it they are laid into ./wheels, from which `make run` installs
on a board that has no internet. It talks to the package index by pip alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parents[1]
#: What the boards' systems run: Ubuntu 22.04 and 24.04, and what lies between.
VERSIONS = ("3.10", "3.11", "3.12")
#: The C libraries of wheels that those systems can load (glibc 2.35 and before).
PLATFORMS = ("manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(17, 36)), "linux_aarch64")

Report = dict[str, Any]


def environment(version: str) -> dict[str, str]:
    """The values of environment markers on a board. pip takes those of the Python that runs it, so we look again."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": "posix",
        "platform_machine": "aarch64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{version}.0",
        "python_version": version,
        "sys_platform": "linux",
    }


def overlooked(report: Report, version: str) -> Iterator[str]:
    """Requirements that hold on the board but not for this Python, and that pip has therefore left out."""
    installed = {_normal(item["metadata"]["name"]) for item in report["install"]}
    for item in report["install"]:
        extras = item.get("requested_extras") or [""]
        for line in item["metadata"].get("requires_dist", []):
            needed = Requirement(line)
            if _normal(needed.name) not in installed and _applies(needed, version, extras):
                needed.marker = None
                yield str(needed)


def _applies(needed: Requirement, version: str, extras: list[str]) -> bool:
    if needed.marker is None:
        return True
    return any(needed.marker.evaluate({**environment(version), "extra": extra}) for extra in extras)


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def resolve(version: str, requirements: Path, *options: str) -> Report:
    """Resolve until no requirement is overlooked. Raises SystemExit with pip's words when it cannot be done."""
    more: list[str] = []
    while True:
        report = _pip_report(version, requirements, more, options)
        found = sorted(set(overlooked(report, version)) - set(more))
        if not found:
            return report
        more += found


def _pip_report(version: str, requirements: Path, more: list[str], options: tuple[str, ...]) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        target = Path(folder, "target")
        report = ["--dry-run", "--ignore-installed", "--target", target, "--report", path]
        _pip("install", *report, *selection(version), *options, "-r", requirements, *more)
        found: Report = json.loads(path.read_text())
        return found


def selection(version: str) -> list[str]:
    """pip's options for a board's Python of this version."""
    compact = version.replace(".", "")
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={version}"]
    options += [f"--abi={abi}" for abi in (f"cp{compact}", "abi3", "none")]
    return options + [f"--platform={platform}" for platform in PLATFORMS]


def download(version: str, report: Report, folder: Path) -> None:
    """Lay down exactly what was resolved."""
    names = [f"{item['metadata']['name']}=={item['metadata']['version']}" for item in report["install"]]
    _pip("download", "--no-deps", "--dest", folder, *selection(version), *names)


def _pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, words)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"pip could not do it:\n{done.stderr.strip()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="resolve only, download nothing")
    parser.add_argument("--python", nargs="+", default=VERSIONS, metavar="X.Y", help="the board's Python versions")
    parser.add_argument("--requirements", type=Path, default=PROJECT / "requirements.txt")
    parser.add_argument("--dest", type=Path, default=PROJECT / "wheels")
    options = parser.parse_args()
    for version in options.python:
        report = resolve(version, options.requirements)
        if not options.check:
            download(version, report, options.dest)
        print(f"Python {version}, aarch64: {len(report['install'])} wheels, nothing to compile", flush=True)


if __name__ == "__main__":
    main()
