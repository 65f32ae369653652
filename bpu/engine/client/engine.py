"""The engine for a worker or a command: submit turns, read the status, give orders."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from bpu.engine.client.daemon_connection import DaemonClient
from bpu.engine.client.job import Job
from bpu.engine.launch_spec import LaunchSpec, LaunchTable
from bpu.engine.messages import CancelJob, ExamineConsole, LoadModel, UnloadModel
from bpu.errors import BpuError, EngineStopping
from bpu.turn import Turn

#: How long a new worker waits for the first status; it serves without one, too.
FIRST_STATUS_TIMEOUT_S = 0.5
#: Bytes of UTF-8 per token, where no tokenizer counts them.
BYTES_PER_TOKEN = 3


def estimate(text: str) -> int:
    """Estimate the tokens of `text` by its bytes, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


class Engine:
    """The client of the keeper: one per worker or command.

    All clients of a board share one console and one queue. Its methods are called in the greenlets of requests in a
    worker, and in the main thread of a command.
    """

    def __init__(
        self, launches: LaunchTable | LaunchSpec, *, queue_timeout_s: float = 0.0, is_command: bool = False
    ) -> None:
        """`is_command`: a command uses the engine, no worker of a gateway.

        A keeper that it starts writes no log, because the terminal shows a chat. A keeper that runs keeps its limits.
        """
        self.jobs: dict[str, Job] = {}
        self._daemon = DaemonClient(launches, is_command=is_command)
        self.table = self._daemon.table
        self.launch = self.table.default_launch
        self._daemon.on_no_answer = self._fail_waiting
        self._queue_timeout_s = queue_timeout_s

    def start(self) -> None:
        """Hold a lifeline, for which the keeper is started now.

        The model is loaded if `BPU_PRELOAD` says so.
        """
        self._daemon.start(FIRST_STATUS_TIMEOUT_S)

    def submit(
        self,
        turn: Turn,
        *,
        job_id: str,
        conversation_digest: Callable[[str], str] = lambda raw: "",
        count_tokens: Callable[[str], int] = estimate,
        client: socket.socket | None = None,
        model: str = "",
        on_end: Callable[[], None] = lambda: None,
    ) -> Job:
        """Queue `turn` for the model with the id `model`, the default one by default.

        Returns when it has its place. `conversation_digest(raw answer)` gives the digest of the conversation as it will
        come back, "" if it cannot be continued; `count_tokens(raw answer)` its tokens. Both are called once, at the
        natural end. `client` is watched: when it leaves, the job is closed. `on_end` is called once when the job has
        ended, in whatever way. Raises `QueueFull`, `EngineUnavailable`, `EngineStopping`, `EngineTimeout`.
        """
        job = Job(
            self._daemon,
            turn,
            launch=self.table.launch(model) if model else self.launch,
            job_id=job_id,
            conversation_digest=conversation_digest,
            count_tokens=count_tokens,
            queue_timeout_s=self._queue_timeout_s,
            client=client,
            on_end=lambda job: self._remove(job, on_end),
        )
        self.jobs[job_id] = job
        try:
            job.join()
        except BaseException:
            job.close()
            raise
        return job

    def _remove(self, job: Job, on_end: Callable[[], None]) -> None:
        self.jobs.pop(job.id, None)
        on_end()

    def status(self) -> dict[str, Any]:
        """The newest status of the engine, from memory, as clients see it (`EngineStatus.to_json`)."""
        return self._daemon.current_status.to_json(time.monotonic())

    @property
    def is_reachable(self) -> bool:
        """Whether a new job would reach the keeper.

        It answers as far as this can be known without waiting.
        """
        return self._daemon.is_reachable

    def _fail_waiting(self, error: BpuError) -> None:
        """End the waiting jobs with `error`, because the keeper does not answer.

        A running one goes on.
        """
        for job in list(self.jobs.values()):
            if job.is_waiting:
                job.fail(error)

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever `status()` has changed."""
        self._daemon.on_change = callback

    def cancel(self, job_id: str) -> bool:
        """Cancel a job of any worker by its id.

        False when there is none (any more).
        """
        return self._daemon.order(CancelJob(id=job_id), start=False)

    def load(self, model: str = "") -> None:
        """Load the model with that id, by default that of the last load.

        It is loaded even if failures have made it wait. While another model has jobs, the load waits its turn. Raises
        `EngineUnavailable` when it cannot fit.
        """
        self._daemon.order(LoadModel(**self._daemon.launch_fields(self.table.launch(model))) if model else LoadModel())

    def unload(self, model: str = "") -> None:
        """Free the BPU's memory when no job is left; the next job loads again.

        With the id `model` the order is for that model alone.
        """
        self._daemon.order(UnloadModel(model=model), start=False)

    def examine(self) -> None:
        """Examine the console as soon as no job is left.

        It is examined even if it was before.
        """
        self._daemon.order(ExamineConsole())

    def abort_jobs(self) -> None:
        """End every job with an error, because the gateway's graceful time is over.

        The lifeline is closed first: a keeper without any does not load the model again for the consoles of these jobs.
        """
        self._daemon.close()
        for job in list(self.jobs.values()):
            job.fail(EngineStopping("The gateway is stopping; try again later.", retry_after=10))

    def stop(self) -> None:
        """Close all jobs and the lifeline.

        The keeper waits a little for another one before it ends.
        """
        for job in list(self.jobs.values()):
            job.close()
        self._daemon.close()
