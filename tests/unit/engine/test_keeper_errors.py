"""Tests what a client is told when its job's console has ended."""

from __future__ import annotations

import pytest

from bpu import errors
from bpu.console.diagnosis import diagnose
from bpu.engine.client.keeper_errors import exit_error
from bpu.engine.console_process import Exit
from bpu.engine.messages import ExitReport


@pytest.mark.parametrize(
    ("ended", "message"),
    [
        (Exit(None, 11), "The console crashed (SIGSEGV). It is started again."),
        (Exit(3, None), "The console ended by itself with exit code 3. It is started again."),
        (Exit(139, None), "The console crashed (SIGSEGV). It is started again. (exit code 139)"),
    ],
    ids=["signal", "exit-code", "shell"],
)
def test_the_end_of_a_console_is_named_once(ended: Exit, message: str) -> None:
    fault = diagnose([], exit_code=ended.code, signal=ended.signal)
    report = ExitReport(message=fault.message, permanent=False, how=str(ended), log=())
    error = exit_error(None, report)
    assert isinstance(error, errors.EngineCrashed)
    assert error.message == message


def test_an_end_that_the_message_does_not_name_is_added_and_an_unknown_one_is_not() -> None:
    report = ExitReport(message="It was ended.", permanent=False, how="", log=("last",))
    error = exit_error(None, report)
    assert error is not None
    assert error.message == "It was ended. The console's last lines: last"
