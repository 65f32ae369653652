"""Reports a console's examination for `doctor`: findings, date and folder; and deletes it for `--forget`."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bpu.board.checks.finding import Finding, Level, failure, finding, note, success, warning
from bpu.cli import _keeper
from bpu.console.profiles import PROFILES
from bpu.engine.capabilities import capabilities_of
from bpu.engine.client.launch_config import build_launch_spec
from bpu.engine.console_examination import Findings
from bpu.engine.console_record import ConsoleRecord, forget
from bpu.engine.launch_spec import LaunchSpec
from bpu.errors import BpuError
from bpu.messages import os_reason, translate
from bpu.settings import Settings, data_dir, existing_state_dirs


def record_findings(settings: Settings) -> Iterator[Finding]:
    """Report the record of the settings' console, and whether an examination runs now."""
    statuses = list(_statuses(settings))
    for status in statuses:
        yield from _running(status)
    try:
        with tempfile.TemporaryDirectory() as folder:  # so that the check does not create the state folder
            launch = build_launch_spec(settings.model_copy(update={"state_dir": Path(folder)}))
            record = ConsoleRecord(launch)
    except BpuError:
        return  # missing files are findings of other checks
    known, place = record.findings, str(record.folder)
    # `examine` asks the engine of a gateway, which is not there on a fresh board.
    way = "record_examine" if statuses else "record_probe"
    if launch.reset != "auto":
        yield _by_settings(launch, known)
    if known.retains_history or known.reset_works is not None:
        date = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.found_at))
        history = translate("doctor.record_kept" if known.retains_history else "doctor.record_unknown")
        key = {True: "record_works", False: "record_broken", None: "record_unknown"}[known.reset_works]
        level = Level.FINE if known.reset_works else Level.NOTE
        values = {"date": date, "history": history, "reset": translate(f"doctor.{key}"), "folder": place}
        yield finding("record", level, "record_found", "record_forget", **values)
    elif launch.reset != "auto" or any(status["examination"] for status in statuses):
        return  # it decides nothing, or the try that runs is counted already and has no result yet
    elif record.tries:
        yield note("record", "record_tried", way, tries=record.tries, folder=place)
    elif PROFILES[launch.profile].public_knowledge is not None:
        yield success("record", "record_public", folder=place)
    else:
        yield note("record", "record_none", way, folder=place)


def _by_settings(launch: LaunchSpec, found: Findings) -> Finding:
    """Report what the settings decide, whatever an examination has found."""
    known = capabilities_of(launch, PROFILES[launch.profile], found)
    values = {
        "setting": launch.reset,
        "history": translate("doctor.record_kept" if known.retains_history else "doctor.record_unknown"),
        "reset": translate("doctor.record_works" if known.reset_works else "doctor.record_unused"),
    }
    return success("record", "record_settings", **values)


def _statuses(settings: Settings) -> Iterator[dict[str, Any]]:
    for folder in existing_state_dirs(settings):
        with contextlib.suppress(BpuError, OSError):
            if (status := _keeper.status(folder)) is not None:
                yield status


def _running(status: dict[str, Any]) -> Iterator[Finding]:
    if examination := status["examination"]:
        rest_s = examination["rest_s"]
        rest = "" if rest_s is None else translate("load.checking_rest", seconds=round(rest_s))
        yield note("record", "record_checking", answers=examination["answers"], of=examination["of"], rest=rest)
    ended = status["turn_end"]
    if ended["by"] == "blocks":
        yield warning("turn_end", "turn_end_blocks", "turn_end_unbuffered")
    elif ended["by"] is not None:
        yield success("turn_end", f"turn_end_{ended['by']}", seconds=f"{ended['silence_s']:g}")


def forget_findings(settings: Settings) -> Iterator[Finding]:
    """Delete every record in the data folder."""
    folder = data_dir(settings)
    try:
        count = forget(folder)
    except OSError as error:
        reason = os_reason(error)
        yield failure("record", "record_not_forgotten", "record_owner", folder=str(folder), reason=reason)
    else:
        yield success("record", "record_forgotten", count=count, folder=str(folder))
