"""Makes a skipped test a failure where `CI` is set.

Everything that tests need has been installed there. On a user's machine a skip stays what it is: a word about a program
that is missing. There is no list of exceptions.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest


def _fail_in_ci(report: Any) -> None:
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"With CI set a skipped test is a failure. {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_in_ci(report)
    return report
