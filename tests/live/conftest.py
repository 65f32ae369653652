"""Live tests talk to the real gunicorn; most share one gateway a module, those that break things start their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.live.gateway import Gateway, running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One worker on the fast simulator, shared by the tests of a module."""
    with running(tmp_path_factory.mktemp("gateway")) as started:
        yield started


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Start a gateway of one's own: `start(workers=4, env={...})`."""
    with ExitStack() as stack:
        count = 0

        def begin(**options: Any) -> Gateway:
            nonlocal count
            count += 1
            folder = tmp_path / f"gateway{count}"
            folder.mkdir()
            return stack.enter_context(running(folder, **options))

        yield begin
