"""Builds the Debian packages into ./dist, without root; the same source gives the same bytes.

A package carries the wheels of its processor for each Python that a board's system may have, so that its installation
needs no network. It is built on any machine: nothing is compiled, and nothing of another processor is run.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from board_wheels import PROJECT, VERSIONS, Target, download, locked_packages

sys.path.insert(0, str(PROJECT))

from bpu import __version__
from bpu.board import service

NAME = "rdk-bpu-gateway"
#: Debian's name of a processor, and the one of wheels.
ARCHITECTURES = {"arm64": "aarch64", "amd64": "x86_64"}
RECIPE = PROJECT / "deploy" / "debian"
SCRIPTS = ("postinst", "prerm", "postrm")
HOME = Path(str(service.PACKAGED_HOME).lstrip("/"))


def release_date() -> str:
    """Return the date of this version in the changelog.

    With this date the build does not depend on the clock.
    """
    text = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(rf"(?m)^## {re.escape(__version__)} - (\d{{4}}-\d\d-\d\d)$", text)
    if found is None:
        raise SystemExit(f"CHANGELOG.md has no dated entry for {__version__}")
    return found[1]


def run(*words: str | Path, **env: str) -> None:
    done = subprocess.run([*map(str, words)], env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{Path(str(words[0])).name} failed:\n{done.stdout}{done.stderr}")


def add_wheels(root: Path, machine: str, cache: Path) -> None:
    """Add this project's wheel, and those of the lock for each Python."""
    folder = root / HOME / "wheels"
    folder.mkdir(parents=True)
    lock = PROJECT / "requirements.lock"
    kept = cache / f"{machine}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not kept.is_dir():
        part = kept.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        for version in VERSIONS:
            target = Target(version, machine)
            download(target, locked_packages(lock, target), part)
            print(f"{target}: wheels are here", flush=True)
        part.rename(kept)
    for wheel in sorted(kept.glob("*.whl")):
        shutil.copyfile(wheel, folder / wheel.name)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    shutil.copyfile(lock, root / HOME / "requirements.lock")


def add_units(root: Path) -> None:
    home = service.PACKAGED_HOME
    machine = service.Machine(project=home, python=home / "current/bin/python")
    for name in (service.GATEWAY, service.PERFORMANCE):
        text = service.unit(name, machine).replace(f"file:{home}/docs/service.md", "man:bpu(1)")
        write(root / str(service.PACKAGED_UNITS).lstrip("/") / name, text)


def add_documents(root: Path, date: str) -> None:
    for language in ("en", "zh_CN"):
        run(sys.executable, PROJECT / "scripts" / "manual.py", language, root, date)
    doc = root / "usr/share/doc" / NAME
    for page in sorted((PROJECT / "docs").glob("*.md")):
        write(doc / page.name, page.read_text(encoding="utf-8"))
    licence = (PROJECT / "LICENSE").read_text(encoding="utf-8").partition("\n\n")[2].partition("\n\n")[2].strip()
    indented = "\n".join(f" {line}" if line else " ." for line in licence.splitlines())
    write(doc / "copyright", fill_placeholders((RECIPE / "copyright").read_text(), LICENSE=indented))
    day = datetime.fromisoformat(date).strftime("%a, %d %b %Y 00:00:00 +0000")
    maintainer = next(line for line in (RECIPE / "control").read_text().splitlines() if line.startswith("Maintainer"))
    entry = f"{NAME} ({__version__}) stable; urgency=medium\n\n  * See CHANGELOG.md of the project.\n\n"
    write(doc / "changelog", f"{entry} -- {maintainer.partition(': ')[2]}  {day}\n")
    for path in (doc / "changelog", *root.glob("usr/share/man/**/*.1")):
        # No name and no time in the head of the compressed file.
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
        path.unlink()
    write(root / "usr/share/lintian/overrides" / NAME, (RECIPE / "lintian-overrides").read_text())


def add_control(root: Path, architecture: str) -> None:
    control = root / "DEBIAN"
    files = sorted(path for path in root.rglob("*") if path.is_file())
    sums = (
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(root)}\n"
        for path in files
    )
    write(control / "md5sums", "".join(sums))
    size = sum((path.stat().st_size + 1023) // 1024 for path in files)
    text = (RECIPE / "control").read_text()
    write(control / "control", fill_placeholders(text, VERSION=__version__, ARCH=architecture, SIZE=str(size)))
    write(control / "conffiles", "/etc/bpu/bpu.env\n")
    write(control / "triggers", "interest-noawait /usr/bin/python3\n")
    for name in SCRIPTS:
        write(control / name, fill_placeholders((RECIPE / name).read_text(), VERSION=__version__))


def fill_placeholders(text: str, **values: str) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def normalize_tree(root: Path, moment: int) -> None:
    """Set the same time and standard modes for all files, independent of umask and clock."""
    scripts = {root / "DEBIAN" / name for name in SCRIPTS}
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in scripts else 0o644)
        os.utime(path, (moment, moment), follow_symlinks=False)


def build(architecture: str, dist: Path, cache: Path) -> Path:
    date = release_date()
    moment = int(datetime.fromisoformat(date).replace(tzinfo=timezone.utc).timestamp())
    os.environ["SOURCE_DATE_EPOCH"] = str(moment)
    dist.mkdir(exist_ok=True)
    target = dist / f"{NAME}_{__version__}_{architecture}.deb"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        add_wheels(root, ARCHITECTURES[architecture], cache)
        add_units(root)
        add_documents(root, date)
        # `bpu config` changes this conffile, so its text never does: dpkg would ask each owner at the next upgrade.
        write(root / "etc/bpu/bpu.env", (RECIPE / "bpu.env").read_text(encoding="utf-8"))
        (root / "usr/bin").mkdir()
        (root / "usr/bin/bpu").symlink_to(f"../{HOME.relative_to('usr')}/current/bin/bpu")
        add_control(root, architecture)
        normalize_tree(root, moment)
        run("dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", root, target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", nargs="+", choices=ARCHITECTURES, default=list(ARCHITECTURES))
    parser.add_argument("--dest", type=Path, default=PROJECT / "dist")
    parser.add_argument(
        "--cache", type=Path, default=PROJECT / "dist" / "deb-wheels", help="where downloaded wheels are kept"
    )
    options = parser.parse_args()
    for architecture in options.arch:
        path = build(architecture, options.dest.absolute(), options.cache.absolute())
        print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)", flush=True)


if __name__ == "__main__":
    main()
