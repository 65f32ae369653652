"""What gunicorn serves in tests: the application over an engine whose jobs wait until they are told to go on.

`POST /v1/jobs/<id>/cancel` lets a job that waits go on, so that a test decides when an answer ends, and needs no clock.
A question decides what its job does: `wait`, `break` (it waits and fails), `flood` (an answer larger than any socket's
buffer), `unclosed` (a call whose arguments are 4 MB without a closing quotation mark), or speaks it back.
"""

from __future__ import annotations

from gevent import monkey

if not monkey.is_module_patched("socket"):
    monkey.patch_all()

import os
from collections.abc import Callable
from threading import Event as Bell
from typing import Any

from app import create_app
from bpu.console.events import Done, Text
from bpu.errors import EngineCrashed
from bpu.settings import load_settings
from bpu.turn import Progress, Turn
from bpu.web import request_body as request_body
from bpu.web import responder
from tests.unit.web.fakes import FakeEngine, FakeJob, Step, thought


class Talker(FakeEngine):
    """Jobs of this worker alone."""

    def __init__(self) -> None:
        super().__init__()
        self.bells: dict[str, Bell] = {}
        self.closed: list[str] = []

    def submit(self, turn: Turn, *, job_id: str, conversation_digest: Callable[[str], str], **more: Any) -> FakeJob:
        question = turn.line.decode()
        self.script = self._script(question, job_id)
        return super().submit(turn, job_id=job_id, conversation_digest=conversation_digest, **more)

    def _script(self, question: str, job_id: str) -> list[Step]:
        if question == "flood":
            return [Text("</think>"), *[Text("water " * 10_000)] * 1000, Done()]
        if "unclosed" in question:
            head = 'Hm.</think>\n\n<tool_call>{"name": "f", "arguments": {"a": "'
            return [Text(head), *[Text("x" * 8000)] * 500, Done()]
        if question not in ("wait", "break"):
            return thought("Hm.", question)
        bell = self.bells[job_id] = Bell()
        if question == "break":
            return [Progress("prefill"), bell, EngineCrashed("Gone.")]
        return [Progress("prefill"), Text("Hm.</think>"), Text("One "), bell, Text("two."), Done()]

    def cancel(self, job_id: str) -> bool:
        if (bell := self.bells.get(job_id)) is None:
            return False
        bell.set()
        return True

    def status(self) -> dict[str, Any]:
        return {**super().status(), "console_pid": os.getpid(), "closed": sum(job.closed > 0 for job in self.jobs)}


request_body.SILENCE_S = float(os.environ.get("TEST_SILENCE_S", request_body.SILENCE_S))
responder.WRITE_S = float(os.environ.get("TEST_WRITE_S", responder.WRITE_S))
app = create_app(load_settings(engine="simulator"), Talker())
