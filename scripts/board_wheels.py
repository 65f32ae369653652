"""Downloads the wheels that a board needs for requirements.lock: aarch64, Python 3.10 to 3.12.

`--check` looks for them without downloading; without it they are laid into ./wheels, from which `make run` installs
on a board that has no internet. It talks to the package index by pip alone. `--machine x86_64` is for a PC without
internet, and to try the whole way without a board.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parents[1]
#: What the boards' systems run: Ubuntu 22.04 and 24.04, and what lies between.
VERSIONS = ("3.10", "3.11", "3.12")
MACHINES = ("aarch64", "x86_64")
#: For a board whose Python came without pip.
PIP = "pip==26.3"
#: The C libraries of wheels that those systems can load (glibc 2.35 and before).
LIBRARIES = ("manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, 36)), "linux")

Report = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """The Python and machine of the wheels; `version` as in `3.10`."""

    version: str
    machine: str = MACHINES[0]

    def __str__(self) -> str:
        return f"Python {self.version}, {self.machine}"


def environment(target: Target) -> dict[str, str]:
    """Return the values of environment markers of the target.

    Pip itself uses the values of the Python that runs it.
    """
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{target.version}.0",
        "os_name": "posix",
        "platform_machine": target.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{target.version}.0",
        "python_version": target.version,
        "sys_platform": "linux",
    }


def missing_requirements(report: Report, target: Target) -> Iterator[str]:
    """Yield requirements that apply to the target but not to this Python.

    Pip leaves such requirements out of its report.
    """
    installed = {normalize(item["metadata"]["name"]) for item in report["install"]}
    for item in report["install"]:
        extras = item.get("requested_extras") or [""]
        for line in item["metadata"].get("requires_dist", []):
            needed = Requirement(line)
            if normalize(needed.name) not in installed and applies(needed, target, extras):
                needed.marker = None
                yield str(needed)


def applies(needed: Requirement, target: Target, extras: list[str]) -> bool:
    if needed.marker is None:
        return True
    return any(needed.marker.evaluate({**environment(target), "extra": extra}) for extra in extras)


def normalize(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def resolve(target: Target, requirements: Path, *options: str) -> Report:
    """Resolve until no requirement is overlooked.

    Raises SystemExit with pip's words when it cannot be done.
    """
    more: list[str] = []
    while True:
        report = _pip_report(target, requirements, more, options)
        found = sorted(set(missing_requirements(report, target)) - set(more))
        if not found:
            return report
        more += found


def _pip_report(target: Target, requirements: Path, more: list[str], options: tuple[str, ...]) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        target_folder = str(Path(folder, "target"))
        report = ["--dry-run", "--ignore-installed", "--target", target_folder, "--report", str(path)]
        _pip("install", *report, *selection(target), *options, "-r", requirements, *more)
        found: Report = json.loads(path.read_text())
        return found


def locked_packages(lock: Path, target: Target) -> list[str]:
    """Return `name==version` of each package of `lock` for the target, by the target's markers."""
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    wanted = [one for one in map(Requirement, lines) if applies(one, target, [""])]
    return [f"{one.name}{one.specifier}" for one in wanted]


def check(target: Target, packages: list[str]) -> None:
    """See that there is a wheel for each of `packages`. Raises SystemExit with pip's words."""
    with tempfile.TemporaryDirectory() as folder:
        _pip(
            "install", "--dry-run", "--ignore-installed", "--no-deps", "--target", folder, *selection(target), *packages
        )


def selection(target: Target) -> list[str]:
    """Return pip's options for the target's Python and machine."""
    compact = target.version.replace(".", "")
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={target.version}"]
    options += [f"--abi={abi}" for abi in (f"cp{compact}", "abi3", "none")]
    return options + [f"--platform={library}_{target.machine}" for library in LIBRARIES]


def download(target: Target, packages: list[str], folder: Path) -> None:
    """Download exactly `packages`, and pip."""
    _pip("download", "--no-deps", "--dest", folder, *selection(target), PIP, *packages)


def _pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, words)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"pip could not do it:\n{done.stderr.strip()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="download nothing")
    parser.add_argument("--python", nargs="+", default=VERSIONS, metavar="X.Y", help="the board's Python versions")
    parser.add_argument("--machine", choices=MACHINES, default=MACHINES[0], help="the board's processor, or a PC's")
    parser.add_argument("--lock", type=Path, default=PROJECT / "requirements.lock")
    parser.add_argument("--dest", type=Path, default=PROJECT / "wheels")
    options = parser.parse_args()
    for target in (Target(version, options.machine) for version in options.python):
        packages = locked_packages(options.lock, target)
        if options.check:
            check(target, packages)
        else:
            download(target, packages, options.dest)
        print(f"{target}: {len(packages)} wheels, nothing to compile", flush=True)


if __name__ == "__main__":
    main()
