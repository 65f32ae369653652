"""Starting a real proxy with the configuration that the project ships, at the addresses of a test."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.live.gateway import ROOT
from tests.support.waits import until

DEPLOY = ROOT / "deploy"


def find_program(name: str, package: str) -> str:
    """Where a system program is; the test is skipped when it is not installed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return found or pytest.skip(f"{name} (Debian's package {package}) is not installed.")


def adapt_config(name: str, changes: Mapping[str, str]) -> str:
    """The shipped file with each pattern of `changes` replaced; one that is not there is a fault of the test."""
    text = (DEPLOY / name).read_text()
    for pattern, replacement in changes.items():
        text, count = re.subn(pattern, replacement, text)
        assert count, f"{pattern} is not in {name}"
    return text


@contextlib.contextmanager
def run_proxy(command: list[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A proxy that listens on `port`; it is ended afterwards."""
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        until(lambda: _is_listening(process, port, log), what=f"{command[0]} listens")
        yield process
    finally:
        process.terminate()
        process.wait(20)


def _is_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False
