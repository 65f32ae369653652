"""The compiled console, once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.witness.program import compile_console


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return compile_console(tmp_path_factory.mktemp("witness"))
    except FileNotFoundError as error:
        pytest.skip(str(error))
