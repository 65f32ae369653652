"""The packages for Node against the real gateway; their tests are the `.mjs` files of this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.gateway import Gateway, running
from tests.live.several import MODELS, environment, table
from tests.support.pictures import RED, base64_of, stripes

HERE = Path(__file__).parent

pytestmark = [
    pytest.mark.clients,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (HERE / "node_modules").is_dir(), reason="the packages are missing: npm ci --prefix tests/clients"
    ),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("node"), env={"BPU_KEEPALIVE_S": "0.3"}) as started:
        yield started


@pytest.mark.parametrize("name", ["openai", "ai", "ollama", "anthropic"])
def test_the_package(gateway: Gateway, name: str) -> None:
    check_package(gateway, name)


def test_images_by_all_packages(tmp_path: Path) -> None:
    with running(tmp_path, env={"BPU_CONSOLE_PROFILE": "vlm"}) as gateway:
        check_package(gateway, "images", PICTURE=base64_of(stripes(RED)))


def test_the_menu_of_several_models(tmp_path: Path) -> None:
    table(tmp_path)
    with running(tmp_path, env=environment(tmp_path)) as gateway:
        check_package(gateway, "menu", MODELS=" ".join(MODELS))


def check_package(gateway: Gateway, name: str, **more: str) -> None:
    env = {**os.environ, "GATEWAY_URL": f"{gateway.url}/v1", "NODE_NO_WARNINGS": "1", **more}
    done = subprocess.run(
        ["node", "--test", "--test-reporter=spec", f"{name}.test.mjs"],
        cwd=HERE,
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert "fail 0" in done.stdout
