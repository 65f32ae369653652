"""The Debian package: the same bytes twice, sound by lintian, and an environment that is switched, never torn."""

from __future__ import annotations

import ensurepip
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bpu import __version__
from bpu.board import tools
from tests.repo.test_setup import wheel
from tests.repo.test_wheels import script

PROJECT = Path(__file__).parents[2]
RECIPE = PROJECT / "deploy" / "debian"
HOME = "/usr/lib/rdk-bpu-gateway"

pytestmark = pytest.mark.system


def build(folder: Path, architecture: str = "arm64", umask: int = 0o022) -> Path:
    """The package, without the network: a tiny wheel stands for those of the lock."""
    machine = script("deb").ARCHITECTURES[architecture]
    lock = hashlib.sha256((PROJECT / "requirements.lock").read_bytes()).hexdigest()[:12]
    (folder / "cache").mkdir()
    wheel(folder / "cache" / f"{machine}-{lock}", "1.0")
    words = [sys.executable, str(PROJECT / "scripts/deb.py"), "--arch", architecture]
    code = f'umask {umask:o}; exec "$@"'
    command: list[str | Path] = ["sh", "-c", code, "sh", *words, "--dest", folder / "dist", "--cache", folder / "cache"]
    result = tools.run(command, timeout=200, cwd=PROJECT)
    assert result.ok, result.err
    return folder / "dist" / f"rdk-bpu-gateway_{__version__}_{architecture}.deb"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    return build(tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="module")
def tree(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    assert tools.run(["dpkg-deb", "-R", package, folder], timeout=60).ok
    return folder


def test_the_same_source_gives_the_same_bytes(package: Path, tmp_path: Path) -> None:
    again = build(tmp_path, umask=0o077)
    # The tiny wheel of the two builds has two times in it.
    names = [tools.run(["dpkg-deb", "-c", path], timeout=60).out.splitlines() for path in (package, again)]
    strip = [[re.sub(r" \d+ (?=\d{4}-)", " ", line) for line in lines if "tiny" not in line] for lines in names]
    assert strip[0] == strip[1]
    for line in names[0]:
        assert " root/root " in line


def test_it_needs_no_network_and_names_what_it_needs(package: Path, tree: Path) -> None:
    control = (tree / "DEBIAN/control").read_text()
    for line in (f"Version: {__version__}", "Architecture: arm64", "Depends: python3 (>= 3.10), python3 (<< 3.13), "):
        assert line in control
    assert "@" not in control.replace("maintainers@", "")
    assert (tree / "DEBIAN/conffiles").read_text() == "/etc/bpu/bpu.env\n"
    for name in ("postinst", "prerm", "postrm"):
        text = (tree / "DEBIAN" / name).read_text()
        assert "@VERSION@" not in text
        assert "http" not in text
        assert tools.run(["sh", "-n", tree / "DEBIAN" / name], timeout=20).ok
    ours = list((tree / HOME.lstrip("/") / "wheels").glob("rdk_bpu_gateway-*.whl"))
    assert len(ours) == 1


def test_the_settings_file_is_the_same_in_every_version(tree: Path) -> None:
    """`bpu config` changes the file, so another text in a later package makes each upgrade ask, and fail unattended."""
    data = (tree / "etc/bpu/bpu.env").read_bytes()
    assert hashlib.sha256(data).hexdigest() == "19d66a0e32bc98ed60188cb0f13a358553799cf54630efb1b4ac1880a0b6038d"


def test_lintian_finds_nothing_that_is_not_explained(package: Path) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed")
    result = tools.run(["lintian", "--fail-on", "error,warning", "--allow-root", package], timeout=200)
    assert result.code == 0, result.out


def test_its_units_are_accepted_by_systemd_and_start_the_packaged_program(tree: Path) -> None:
    unit = tree / "usr/lib/systemd/system/bpu-gateway.service"
    assert f"ExecStart={HOME}/current/bin/python -m bpu serve" in unit.read_text().splitlines()
    assert "/opt/" not in unit.read_text()
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    # The programs that the units start are not on this machine.
    there = unit.read_text().replace(f"{HOME}/current/bin/python", "/usr/bin/python3").replace(HOME, "/tmp")
    unit.with_name("bpu-there.service").write_text(there)
    try:
        result = tools.run(["systemd-analyze", "verify", "--man=no", unit.with_name("bpu-there.service")], timeout=60)
        assert (result.code, result.err) == (0, "")
    finally:
        unit.with_name("bpu-there.service").unlink()


def test_the_man_page_names_every_command_in_both_languages(tree: Path) -> None:
    for place, word in (("man1", "EXIT STATUS"), ("zh_CN/man1", "退出状态")):
        text = gzip.decompress((tree / "usr/share/man" / place / "bpu.1.gz").read_bytes()).decode()
        for name in ("serve", "service install", "config set", "setup", "ion apply"):
            assert f".SS bpu {name}" in text.replace("\\-", "-")
        assert word in text
        assert "python" not in re.findall(r"Example: (.*)", text)


def test_every_shell_completes_the_commands(tree: Path) -> None:
    share = tree / "usr/share"
    checked = 0
    for shell, path in (
        ("bash", "bash-completion/completions/bpu"),
        ("zsh", "zsh/vendor-completions/_bpu"),
        ("fish", "fish/vendor_completions.d/bpu.fish"),
    ):
        assert "_BPU_COMPLETE" in (share / path).read_text()
        if shutil.which(shell):
            assert tools.run([shell, "-n", share / path], timeout=30).ok, shell
            checked += 1
    assert checked
    asked = {"_BPU_COMPLETE": "bash_complete", "COMP_WORDS": "bpu service in", "COMP_CWORD": "2"}
    code = "import sys; sys.argv = ['bpu']; from bpu.__main__ import run; run()"
    result = tools.run([sys.executable, "-c", code], timeout=60, cwd=PROJECT, env=asked)
    assert "plain,install" in result.out.split(), result.err


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The package's folder below this test's own, with the scripts changed to work there."""
    folder = tmp_path / "lib"
    (folder / "wheels").mkdir(parents=True)
    pip = next(Path(ensurepip.__file__).with_name("_bundled").glob("pip-*.whl"))
    shutil.copyfile(pip, folder / "wheels" / pip.name)
    wheel(folder / "wheels", "1.0")
    made: list[str | Path] = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "wheels"]
    assert tools.run(made, timeout=60, cwd=PROJECT).ok
    (folder / "requirements.lock").write_text("tiny==1.0\n")
    (folder / "bin").mkdir()
    (folder / "bin/python3").symlink_to(sys.executable)
    (folder / "other").mkdir()
    (folder / "other/python3").symlink_to("/bin/false")
    for name in ("postinst", "prerm"):
        text = (RECIPE / name).read_text().replace(HOME, str(folder)).replace("@VERSION@", __version__)
        text = text.replace("/usr/bin/python3", str(folder / "bin/python3"))
        # This machine's own services are none of a test's business.
        text = text.replace("/run/systemd/system", str(tmp_path / "no-systemd"))
        (folder / name).write_text(text.replace("/etc/systemd", str(tmp_path / "etc")))
    return folder


def maintain(home: Path, script: str, *words: str) -> tools.Result:
    # A Python that was built by hand comes first on many boards, and the wheels are not for it.
    path = f"{home / 'other'}:{os.environ['PATH']}"
    return tools.run(["sh", home / script, *words], timeout=100, env={"PATH": path})


def environments(home: Path) -> list[str]:
    return sorted(path.name for path in home.glob("env-*"))


def test_an_upgrade_makes_the_new_environment_beside_the_old_and_a_failure_leaves_the_old(home: Path) -> None:
    first = maintain(home, "postinst", "configure", "")
    assert first.ok, first.err
    (old,) = environments(home)
    assert tools.run([home / "current/bin/python", "-c", "import tiny"], timeout=30).ok
    assert (home / "current/bin/bpu").exists()
    second = maintain(home, "postinst", "configure", __version__)
    assert second.ok, second.err
    (new,) = environments(home)
    assert new != old
    assert (home / "current").readlink() == Path(new)
    next(home.glob("wheels/tiny-*")).rename(home / "tiny.whl")
    assert not maintain(home, "postinst", "configure", __version__).ok
    assert environments(home) == [new]
    assert tools.run([home / "current/bin/python", "-c", "import tiny"], timeout=30).ok


def test_an_environment_in_which_a_gateway_still_runs_stays_until_it_has_ended(home: Path) -> None:
    assert maintain(home, "postinst", "configure", "").ok
    (old,) = environments(home)
    with subprocess.Popen(["sleep", "100"], cwd=home / old / "bin") as gateway:
        assert maintain(home, "postinst", "configure", __version__).ok
        assert old in environments(home)
        assert len(environments(home)) == 2
        gateway.terminate()
    assert maintain(home, "postinst", "configure", __version__).ok
    assert len(environments(home)) == 1


def test_another_python_makes_the_environment_anew_and_the_same_one_does_not(home: Path) -> None:
    assert maintain(home, "postinst", "configure", "").ok
    (old,) = environments(home)
    site = next((home / old).glob("lib/python*/site-packages"))
    (site / "gevent.py").touch()
    assert maintain(home, "postinst", "triggered", "/usr/bin/python3").ok
    assert environments(home) == [old]
    (site / "gevent.py").unlink()
    assert maintain(home, "postinst", "triggered", "/usr/bin/python3").ok
    assert environments(home) != [old]


def test_an_upgrade_leaves_the_serving_environment_and_a_removal_leaves_nothing(home: Path) -> None:
    assert maintain(home, "postinst", "configure", "").ok
    before = environments(home)
    assert maintain(home, "prerm", "upgrade", "0.3.0").ok
    assert environments(home) == before
    assert maintain(home, "prerm", "remove").ok
    assert (environments(home), (home / "current").is_symlink()) == ([], False)


def test_the_wheel_in_the_package_is_ours(tree: Path) -> None:
    (ours,) = (tree / HOME.lstrip("/") / "wheels").glob("rdk_bpu_gateway-*.whl")
    with zipfile.ZipFile(ours) as archive:
        assert "bpu/_project/wsgi.py" in archive.namelist()


def run_postrm(root: Path, action: str) -> tools.Result:
    """Run the script with the machine's folders below `root`."""
    text = re.sub(r"(?<=[ =])/(etc|var/lib|run)/(bpu|systemd)", rf"{root}/\1/\2", (RECIPE / "postrm").read_text())
    assert f"{root}/var/lib/bpu" in text
    (root / "postrm").write_text(text)
    return tools.run(["sh", root / "postrm", action], timeout=20)


@pytest.mark.parametrize("line", ["BPU_DATA_DIR={}", ' BPU_DATA_DIR = "{}" '])
def test_a_purge_takes_the_data_of_the_gateway_from_a_folder_of_the_user_s_choice(line: str, tmp_path: Path) -> None:
    settings, chosen = tmp_path / "etc/bpu", tmp_path / "large disk"
    settings.mkdir(parents=True)
    (settings / "bpu.env").write_text(f"#BPU_DATA_DIR=/nowhere\n{line.format(chosen)}\nBPU_PORT=8000\n")
    for name in ("models/a.hbm", "gguf/b.json", "activity.sqlite3", "activity.sqlite3-wal", "console-0123.json"):
        (chosen / name).parent.mkdir(parents=True, exist_ok=True)
        (chosen / name).write_bytes(bytes(9000))
    (chosen / "thesis.pdf").write_text("mine")
    (tmp_path / "var/lib/bpu").mkdir(parents=True)

    assert run_postrm(tmp_path, "remove").ok
    (settings / "bpu.env").unlink()  # dpkg deletes it before it purges
    purged = run_postrm(tmp_path, "purge")
    assert purged.ok, purged.err
    assert sorted(path.name for path in chosen.iterdir()) == ["gguf", "models", "thesis.pdf"]
    assert f"{chosen}/models stays" in purged.out
    assert re.search(r"\(\d+K: findings and", purged.out)
    assert not settings.exists()
    assert not (tmp_path / "var/lib/bpu").exists()


def test_a_purge_leaves_no_empty_folder_and_touches_none_that_was_not_named(tmp_path: Path) -> None:
    settings, chosen = tmp_path / "etc/bpu", tmp_path / "data"
    settings.mkdir(parents=True)
    chosen.mkdir()
    (settings / "bpu.env").write_text(f"BPU_DATA_DIR={chosen}/\n")
    assert run_postrm(tmp_path, "remove").ok
    (settings / "bpu.env").unlink()
    assert run_postrm(tmp_path, "purge").ok
    assert not chosen.exists()
    assert not settings.exists()

    settings.mkdir(parents=True)
    (settings / "bpu.env").write_text("BPU_DATA_DIR=/named/before\n")
    assert run_postrm(tmp_path, "remove").ok
    (settings / "bpu.env").write_text("BPU_DATA_DIR=auto\n")
    assert run_postrm(tmp_path, "remove").ok
    (settings / "bpu.env").unlink()
    assert run_postrm(tmp_path, "purge") == tools.Result(0, "", "")
