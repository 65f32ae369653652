"""The locks hold what the floors ask for, whole, and nothing that only downloads; insides that we use have bounds."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from bpu.board import tools
from tests.repo.test_wheels import script

PROJECT = Path(__file__).parents[2]
LOCKS = ("requirements", "requirements-dev")
#: Packages whose insides we use or subclass, and where: there a newer version needs a look before its bound is raised.
INSIDES = {
    "gunicorn": "bpu/server/worker.py and json_error_worker.py subclass its worker, client_socket.py feeds its parser",
    "gevent": "bpu/gevent_io.py drives its loop and the sockets below its own",
    "prometheus-client": "bpu/web/metrics_dir.py makes its mapped files before it does",
    "tokenizers": "requirements.lock leaves out what it requires, since it needs that only to download",
}


def floors(name: str) -> list[Requirement]:
    return list(script("lock").wanted(PROJECT / f"{name}.txt"))


@pytest.mark.parametrize("name", LOCKS)
@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12"])
def test_13_a_lock_holds_every_requirement_at_a_version_that_it_allows(name: str, python: str) -> None:
    wheels = script("board_wheels")
    lines = map(Requirement, wheels.locked_packages(PROJECT / f"{name}.lock", wheels.Target(python)))
    locked = {wheels.normalize(line.name): next(iter(line.specifier)).version for line in lines}
    for floor in floors(name):
        version = locked.get(wheels.normalize(floor.name))
        assert version is not None, f"{name}.lock lacks {floor}: run `make lock`"
        assert version in floor.specifier, f"{name}.lock has {floor.name} {version}: run `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_13_a_lock_is_whole_because_pip_adds_nothing_to_it(name: str) -> None:
    wheels, lock = script("board_wheels"), script("lock")
    target = wheels.Target(f"{sys.version_info.major}.{sys.version_info.minor}", "x86_64")
    locked = {
        wheels.normalize(Requirement(line).name) for line in wheels.locked_packages(PROJECT / f"{name}.lock", target)
    }
    missing = {
        f"{package} requires {line}"
        for package in locked - set(lock.ALONE)
        for line in map(Requirement, metadata.requires(package) or ())
        if wheels.applies(line, target, [""]) and wheels.normalize(line.name) not in locked
    }
    assert missing == set(), "run `make lock`"


def test_13_what_runs_the_gateway_brings_nothing_that_only_downloads() -> None:
    names = {line.partition("==")[0] for line in (PROJECT / "requirements.lock").read_text().splitlines()}
    assert not names & {"huggingface-hub", "hf-xet", "fsspec", "filelock", "tqdm", "httpx", "httpx2", "pyyaml"}


def test_13_tokens_are_counted_without_the_packages_that_download() -> None:
    code = """
import sys
for name in ("huggingface_hub", "hf_xet", "fsspec", "filelock", "tqdm", "httpx", "httpx2", "yaml"):
    sys.modules[name] = None
from bpu.chat.tokens import load_counter
from bpu.engine.client.launch_config import choose_files
from bpu.settings import load_settings
print(load_counter(choose_files(load_settings(engine="simulator")).tokenizer_dir).count("one two three"))
"""
    result = tools.run([sys.executable, "-c", code], timeout=60, cwd=PROJECT)
    assert result.ok, result.err
    assert int(result.out) > 0


def complaint(package: str, installed: str, requirement: Requirement) -> str | None:
    """Why `installed` cannot be trusted; None when it can."""
    bounds = [one for one in requirement.specifier if one.operator == "<"]
    if not bounds:
        return f"{package} needs an upper bound in requirements.txt: {INSIDES[package]}."
    if Version(installed) >= Version(bounds[0].version):
        return (
            f"{package} {installed} is newer than what was looked at (below {bounds[0].version}): {INSIDES[package]}. "
            "Read those places against the new version, then raise the bound in requirements.txt."
        )
    return None


@pytest.mark.parametrize("package", sorted(INSIDES))
def test_13_a_package_whose_insides_we_use_is_no_newer_than_what_was_looked_at(package: str) -> None:
    (floor,) = [one for one in floors("requirements") if one.name == package]
    found = complaint(package, metadata.version(package), floor)
    assert found is None, found
    assert "Read those places" in (complaint(package, "99.0", floor) or "")
    assert "upper bound" in (complaint(package, "1.0", Requirement(package)) or "")
