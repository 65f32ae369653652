"""Runs atheris over `properties.check`; the arguments are libFuzzer's. `python -m tests.fuzz` starts it."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["bpu.console"]):
    from tests.fuzz.properties import check


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
