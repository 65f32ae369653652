"""Formats log records of the gateway and gunicorn, as text or JSON.

Each is one line. Facts are passed as `extra={"facts": {...}}`. From a record only these, its message and its traceback
are used.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Literal

from bpu.log_writer import LogWriter, describe_loss

Form = Literal["text", "json"]
#: The loggers whose level can be chosen.
LEVELLED = ("gunicorn.error", "bpu")


class JsonFormatter(logging.Formatter):
    """One JSON object a line.

    It has `time`, `level`, `logger`, `pid`, `event`, the facts, and `traceback` if there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line of JSON, with its facts as members."""
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "event": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """`time [pid] level message key=value ...`, a traceback below it if any."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s [%(process)d] %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S%z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, the name is the library's
        """Format a record's line, with its facts as `name=value` behind it."""
        facts = " ".join(f"{name}={value}" for name, value in _facts(record).items() if value is not None)
        line = super().formatMessage(record)
        return f"{line} {facts}" if facts else line


def config(form: Form, level: str = "INFO") -> dict[str, Any]:
    """Return the dictionary for `logging.config.dictConfig`, which logs to standard error in one form."""
    formatter = JsonFormatter if form == "json" else TextFormatter
    # Without this level gunicorn would also write its own line for each request.
    levels = {"gunicorn.access": "WARNING", **dict.fromkeys(LEVELLED, level)}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"{__name__}.{formatter.__name__}"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
        "loggers": {name: {"level": at, "handlers": ["stderr"], "propagate": False} for name, at in levels.items()},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
    }


def protect_output(form: Form) -> None:
    """Replace this process's standard output and error with streams that never block and never raise.

    Runs in gunicorn's master, so that its workers inherit it. It covers logging, warnings, tracebacks and gunicorn.
    """
    _open_standard_descriptors()
    for fd, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, LogWriter(fd, loss_line(form)))
        elif not isinstance(stream, LogWriter):
            setattr(sys, name, LogWriter(stream.fileno(), loss_line(form), stream.encoding))


def _open_standard_descriptors() -> None:
    """Open `/dev/null` as each of the descriptors 0 to 2 that is closed.

    The next socket would get its number.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def loss_line(form: Form) -> Callable[[int], str]:
    """Return a function that formats the line about lost lines."""
    return _json_loss if form == "json" else describe_loss


def _json_loss(lines: int) -> str:
    record = logging.LogRecord("bpu", logging.WARNING, __file__, 0, describe_loss(lines).strip(), None, None)
    record.process = os.getpid()
    return JsonFormatter().format(record) + "\n"


def where(error: BaseException) -> str:
    """Return the class and traceback of `error` without its message.

    The message may quote a user's text.
    """
    return f"{type(error).__name__}, in:\n{''.join(traceback.format_tb(error.__traceback__)).rstrip()}"


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts = getattr(record, "facts", None)
    return facts if isinstance(facts, dict) else {}
