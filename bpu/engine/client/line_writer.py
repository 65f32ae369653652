"""Writes a job's lines to the console while it holds the BPU's slot."""

from __future__ import annotations

import contextlib
import os
import time

from bpu import errors, gevent_io
from bpu.engine.file_locks import SLOT_NAME, FileLock, try_lock
from bpu.engine.launch_spec import LaunchSpec

SLOT_LIMIT_S = 5.0
#: Seconds between two tries to take the slot, which the last job frees as it reports its end: doubled up to the last.
FIRST_PAUSE_S, LAST_PAUSE_S = 0.0005, 0.01


class SlotUnavailable(errors.EngineStopping):
    """The slot's lock cannot be opened.

    Nothing was written, so the console is as it was.
    """


class ConsoleEnded(errors.EngineCrashed):
    """The console has closed its pipes. The keeper's exit report says how it ended."""


class LineWriter:
    """Owns the console's input and the slot's lock.

    With the lock only one job runs on the BPU. A turn's reader owns it. `begin` runs in the event loop of a worker or
    command, `finish` in the job's own greenlet. `written_at` is the monotonic second at which the last line was whole,
    0 before.
    """

    def __init__(self, launch: LaunchSpec, stdin: int) -> None:
        self.stdin, self.written_at = stdin, 0.0
        self._slot_path = f"{launch.state_dir}/{SLOT_NAME}"
        self._limit_s = launch.stall_timeout_s or None
        self._slot_lock: FileLock | None = None
        self._unwritten = memoryview(b"")

    def begin(self, line: bytes) -> None:
        """Write as much of the line as possible without waiting.

        So a free console has it at once. Errors are ignored here because `finish` meets and reports the same error.
        """
        self._unwritten = memoryview(line + b"\n")
        with contextlib.suppress(OSError, SlotUnavailable):
            if self._try_slot():
                self._write()

    def finish(self) -> None:
        """Wait for the slot, and write the rest of the line.

        Raises `SlotUnavailable`, `EngineCrashed`, `EngineTimeout` and `ConsoleEnded`.
        """
        deadline, pause_s = time.monotonic() + SLOT_LIMIT_S, FIRST_PAUSE_S
        while not self._try_slot():
            if time.monotonic() > deadline:
                raise errors.EngineCrashed("The BPU's slot is still held by an earlier job.")
            gevent_io.sleep(pause_s)
            pause_s = min(2 * pause_s, LAST_PAUSE_S)
        while self._unwritten:
            try:
                self._write()
            except BlockingIOError:
                if not gevent_io.wait_writable(self.stdin, self._limit_s):
                    raise errors.EngineTimeout(
                        f"The console does not read its input since {self._limit_s:g} seconds."
                    ) from None
            except OSError as error:
                raise ConsoleEnded("The console has closed its input.") from error

    def write_reset(self, command: bytes) -> bool:
        """Write the command that empties the cache; return whether it could be written."""
        with contextlib.suppress(OSError):
            os.write(self.stdin, command + b"\n")
            return True
        return False

    def close(self) -> None:
        """Free the slot and close the console's input; may be called twice."""
        if self._slot_lock is not None:
            self._slot_lock.close()
            self._slot_lock = None
        if self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1

    def _try_slot(self) -> bool:
        try:
            self._slot_lock = self._slot_lock or try_lock(self._slot_path, create=True)
        except OSError as error:
            message = f"The BPU's slot cannot be taken: {error}. {errors.STATE_FOLDER_REMEDY}"
            raise SlotUnavailable(message, retry_after=5) from error
        return self._slot_lock is not None

    def _write(self) -> None:
        """Write the rest of the line without waiting. Raises OSError."""
        while self._unwritten:
            self._unwritten = self._unwritten[os.write(self.stdin, self._unwritten) :]
        self.written_at = time.monotonic()
