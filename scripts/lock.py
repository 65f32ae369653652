"""Writes requirements.lock and requirements-dev.lock: the exact version of every required package.

Each is resolved for each Python, for the boards' processor and then, with the same versions, for a PC's; where
versions differ between Pythons, a marker says so. The packages by which `tokenizers` downloads models are left out:
nothing is downloaded at run time. A lock is complete, so it is installed with `pip install --no-deps`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from board_wheels import MACHINES, PROJECT, VERSIONS, Report, Target, applies, normalize, resolve
from packaging.requirements import Requirement

#: Packages whose own requirements are not needed, each with what is used instead of them.
ALONE = {"tokenizers": "tokenizer.json is read from the model's folder"}


def required_versions(report: Report, target: Target, wanted: list[Requirement]) -> dict[str, str]:
    """Return name and version of each package that `wanted` requires.

    The requirements of packages in `ALONE` are left out.
    """
    found = {normalize(item["metadata"]["name"]): item["metadata"] for item in report["install"]}
    kept: dict[str, str] = {}
    todo = [(normalize(one.name), tuple(one.extras)) for one in wanted]
    seen = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        kept[name] = found[name]["version"]
        lines = () if name in ALONE else found[name].get("requires_dist", ())
        for line in map(Requirement, lines):
            if applies(line, target, [*extras, ""]):
                todo.append((normalize(line.name), tuple(line.extras)))
    return kept


def wanted(path: Path) -> Iterator[Requirement]:
    """Yield the requirements in `path` and in the files that it names by `-r`."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            yield from wanted(path.parent / line[3:].strip())
        elif line and not line.startswith("#"):
            yield Requirement(line)


def lines(versions: dict[str, dict[str, str]]) -> Iterator[str]:
    """Yield one line for a package, or one for each of `versions`.

    A package has one line if every Python gets the same version.
    """
    for name in sorted({name for found in versions.values() for name in found}):
        by_python = {python: found.get(name) for python, found in versions.items()}
        if len(set(by_python.values())) == 1:
            yield f"{name}=={by_python[VERSIONS[0]]}"
            continue
        for python, version in by_python.items():
            operator = ">=" if python == VERSIONS[-1] else "=="
            if version is not None:
                yield f'{name}=={version}; python_version {operator} "{python}"'


def lock(path: Path) -> str:
    """Return the text of the lock of `path`, resolved for the board's processor.

    A PC uses the same versions.
    """
    versions = {}
    for python in VERSIONS:
        found: dict[str, str] = {}
        for machine in MACHINES:
            target = Target(python, machine)
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
                constraints.writelines(f"{name}=={version}\n" for name, version in found.items())
                constraints.flush()
                report = resolve(target, path, "-c", constraints.name)
            one = required_versions(report, target, list(wanted(path)))
            print(f"{path.name}: {target}: {len(one)} packages", flush=True)
            if found and one != found:
                raise SystemExit(f"{path.name}: {' and '.join(MACHINES)} need different packages: {found}, {one}")
            found = one
        versions[python] = found
    head = f"# Every package of {path.name} at its version. Written by `make lock`; install with pip's --no-deps.\n"
    return head + "".join(f"{line}\n" for line in lines(versions))


def main() -> None:
    for name in ("requirements", "requirements-dev"):
        (PROJECT / f"{name}.lock").write_text(lock(PROJECT / f"{name}.txt"), encoding="utf-8")


if __name__ == "__main__":
    main()
