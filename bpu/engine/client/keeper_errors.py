"""Makes errors for clients of the keeper's refusals and reports.

It also makes those of a keeper that cannot be reached. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from bpu import errors
from bpu.engine.messages import ExitReport, Refusal, RefusalCode

#: Seconds after which clients are asked to try again.
RETRY_AFTER_S = 5.0
LAST_LINES = 8
#: The error that a client gets for each reason with which the keeper refuses.
_REFUSALS: dict[RefusalCode, type[errors.BpuError]] = {
    RefusalCode.ENGINE_UNAVAILABLE: errors.EngineUnavailable,
    RefusalCode.ENGINE_STOPPING: errors.EngineStopping,
    RefusalCode.ENGINE_TIMEOUT: errors.EngineTimeout,
    RefusalCode.QUEUE_FULL: errors.QueueFull,
    RefusalCode.JOB_CANCELLED: errors.JobCancelled,
}


def error_from(refusal: Refusal) -> errors.BpuError:
    """The error for a refusal, the console's last lines in its text."""
    return _REFUSALS[refusal.kind](with_log(refusal.message, refusal.log), retry_after=refusal.retry_after)


def exit_error(error: errors.BpuError | None, report: ExitReport | None) -> errors.BpuError | None:
    """Return the error of a job whose console is lost.

    The console's last lines are in its text; None if nothing is known. `error` is what its worker has seen, None when
    the console ended by itself; `report` is the keeper's, if it came.
    """
    lines = report.log[-LAST_LINES:] if report is not None else ()
    if error is not None:
        return type(error)(with_log(error.message, lines))
    if report is None:
        return None
    kind = errors.EngineUnavailable if report.permanent else errors.EngineCrashed
    how = f" ({report.how})" if report.how not in report.message else ""
    return kind(with_log(f"{report.message}{how}", lines))


def with_log(text: str, lines: Sequence[str]) -> str:
    """`text` with the console's last lines, if any.

    They are log lines only, never a user's or a model's text.
    """
    return text + " The console's last lines: " + " | ".join(lines) if lines else text


def connect_error(error: Exception) -> errors.BpuError:
    """The error for clients when the keeper cannot be reached.

    `error` itself, or one that says what it was.
    """
    if isinstance(error, errors.BpuError):
        return error
    reason = str(error) if isinstance(error, OSError) else type(error).__name__
    message = f"The engine cannot be reached: {reason}. {errors.STATE_FOLDER_REMEDY}"
    return errors.EngineStopping(message, retry_after=RETRY_AFTER_S)


def no_answer_error(pid: int) -> errors.EngineStopping:
    """Make the error of a keeper that runs and does not answer."""
    return errors.EngineStopping(
        f"The engine's keeper, pid {pid}, does not answer. If it is stopped, continue it (kill -CONT {pid}); "
        f"if it hangs, end it (kill -KILL {pid}), and the next one starts by itself.",
        retry_after=RETRY_AFTER_S,
    )
