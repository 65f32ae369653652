"""The package: one version, the same requirements everywhere, and a wheel that serves by itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tarfile
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bpu
from bpu.board import tools
from tests.live.gateway import FAST
from tests.support.ports import reserve_port
from tests.support.waits import until

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def build(folder: Path, *targets: str, source: Path = PROJECT) -> None:
    words = [word for target in targets for word in ("-t", target)]
    result = tools.run([sys.executable, "-m", "hatchling", "build", "-d", folder, *words], timeout=120, cwd=source)
    assert result.ok, result.err


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build(folder, "wheel", "sdist")
    return folder


def the(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def requirements(name: str) -> list[str]:
    lines = (PROJECT / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_requirements_are_the_same_with_and_without_the_package() -> None:
    assert PYPROJECT["dependencies"] == requirements("requirements.txt")
    assert PYPROJECT["optional-dependencies"] == {"mcp": requirements("requirements-mcp.txt")}
    assert PYPROJECT["requires-python"] == ">=3.10"


def test_the_version_has_one_source_and_a_dated_entry_in_the_changelog(built: Path) -> None:
    assert the(built, "*.whl").name == f"rdk_bpu_gateway-{bpu.__version__}-py3-none-any.whl"
    assert the(built, "*.tar.gz").name == f"rdk_bpu_gateway-{bpu.__version__}.tar.gz"
    assert "version" not in PYPROJECT
    changes = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"(?m)^## {re.escape(bpu.__version__)} - \d{{4}}-\d\d-\d\d$", changes)


def test_a_wheel_takes_one_name_at_the_top_and_leaves_no_file_of_the_package_out(built: Path) -> None:
    names = set(contents(the(built, "*.whl")))
    assert {name.partition("/")[0] for name in names} == {"bpu", f"rdk_bpu_gateway-{bpu.__version__}.dist-info"}
    tracked = tools.run(["git", "ls-files", "bpu"], timeout=30, cwd=PROJECT).out.splitlines()
    if not tracked:
        pytest.skip("the checkout has no history to compare with")
    assert set(tracked) - names == set()


def test_the_source_archive_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    with tarfile.open(the(built, "*.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    build(tmp_path / "again", "wheel", source=the(tmp_path, "rdk_bpu_gateway-*"))
    assert contents(the(tmp_path / "again", "*.whl")) == contents(the(built, "*.whl"))


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel, and borrows only the libraries of this one."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    asked = tools.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], timeout=30)
    site = Path(asked.out.strip())
    words: list[str | Path] = ["install", "--quiet", "--no-deps", "--no-index", "--prefix", folder, the(built, "*.whl")]
    result = tools.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *words], timeout=100)
    assert result.ok, result.err
    script = folder / "bin" / "bpu"
    script.write_text(re.sub(r"^#!.*", f"#!{python}", script.read_text()))
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return script


@pytest.fixture(scope="module")
def served(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("elsewhere")
    port = reserve_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BPU_", "PYTHON"))}
    env = {
        **kept, "HOME": str(folder), "BPU_BIND": f"127.0.0.1:{port}", "BPU_WORKERS": "1", "BPU_ENGINE": "simulator",
        "BPU_CONSOLE_ARGS": FAST, "BPU_STATE_DIR": str(folder / "state"), "BPU_DATA_DIR": str(folder / "data"),
    }  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([installed, "serve"], cwd=folder, env=env, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: process.poll() is not None or answers(url), seconds=60)
        assert process.poll() is None, (folder / "log").read_text()
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def answers(url: str) -> bool:
    try:
        return fetch(f"{url}/ready")[0] == 200
    except OSError:
        return False


def fetch(url: str, body: Any = None) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", "Accept": "text/html, */*"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.status, response.read().decode()


def test_the_wheel_serves_answers_of_the_simulator(served: str) -> None:
    body = {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": "What is 6 times 7?"}]}
    answer = json.loads(fetch(f"{served}/v1/chat/completions", body)[1])
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["prompt_tokens"] > 5, "the simulator's model counts"


def test_the_wheel_holds_the_page_and_all_that_it_loads(served: str) -> None:
    page = fetch(f"{served}/")[1]
    loaded = re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css|svg))"', page)
    assert len(loaded) > 3
    assert {fetch(f"{served}{path}")[0] for path in loaded} == {200}


def test_the_wheel_speaks_both_languages(installed: Path, tmp_path: Path) -> None:
    for locale, words in (("C.UTF-8", "Install the gateway as a service."), ("zh_CN.UTF-8", "把网关安装为系统服务。")):
        result = tools.run([installed, "--help"], timeout=60, cwd=tmp_path, env={"LC_ALL": locale})
        assert words in result.out, result.err
    version = tools.run([installed, "--version"], timeout=60, cwd=tmp_path).out
    assert version.strip() == f"rdk-bpu-gateway {bpu.__version__}"


def test_a_library_that_is_missing_is_a_sentence_whichever_import_meets_it(installed: Path, tmp_path: Path) -> None:
    """`doctor` imports more than `--help` does, and later."""
    for library, words in (("click", ["--help"]), ("pydantic_settings", ["doctor"])):
        (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{library!r}] = None\n")
        env = {"PYTHONPATH": str(tmp_path), "BPU_STATE_DIR": str(tmp_path / "state"), "BPU_ENGINE": "simulator"}
        result = tools.run([installed, *words], timeout=60, cwd=tmp_path, env=env)
        assert result.code == 1
        assert "Traceback" not in result.err
        assert library in result.err
        assert "Install the package again" in result.err
        # In a clone the line to run instead is named, and another than the one that failed.
        clone = tools.run([sys.executable, "-m", "bpu", *words], timeout=60, cwd=PROJECT, env=env)
        assert f"{PROJECT}/.venv/bin/bpu" in clone.err
