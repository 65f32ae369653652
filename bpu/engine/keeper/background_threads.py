"""Finds the threads that run while a console waits.

They tell an idle console from a model at work. A library may have a thread that runs now and then. Thread ids differ
after each load, so each process is watched while it waits between two turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bpu.engine.timed_reader import RestProbe, Sample

#: Seconds that a console must have waited before the threads that ran meanwhile count as background threads.
SHORTEST_WAIT_S = 0.5
#: Seconds that a process waits before its first line. The next entry applies after each turn that did not come to
#: rest. If the longest wait shows no background thread, the model itself was at work, and lines no longer wait.
WATCHES_S = (0.0, SHORTEST_WAIT_S, 2.0, 8.0, 0.0)
#: A thread that ran at most this often after the prompt was only settling.
SETTLING_RUNS = 3
#: Seconds from a turn's end to the first sample, so that a job that follows at once does not wait for it.
SAMPLE_S = 0.05


class BackgroundThreads:
    """Watches the threads of the console's processes.

    The supervisor owns it, in the keeper's one thread. `known` are the ids of the background threads, None while they
    are unknown.
    """

    def __init__(self, clock: Callable[[], float], *, probe: Callable[..., RestProbe] = RestProbe) -> None:
        self._clock, self._probe = clock, probe
        #: The processes of the console's session: a wrapper script may have started the console as its child.
        self.pids: list[int] = []
        self.known: frozenset[int] | None = None
        self._watch = 0
        self._sample: Sample = None
        self._sampled_at = 0.0
        #: The monotonic second at which `tick` takes the first sample of a wait; None when it need not.
        self.sample_at: float | None = None

    def begin(self, pids: Iterable[int]) -> None:
        """Start watching the processes `pids`, which are at the first prompt."""
        self.pids, self.known = list(pids), None
        self._take_sample()

    def wait(self) -> None:
        """Note that the console waits from now on."""
        self._sample, self.sample_at = None, self._clock() + SAMPLE_S

    def tick(self, now: float) -> None:
        """Take the first sample of a wait when it is due."""
        if self.sample_at is not None and now >= self.sample_at:
            self._take_sample()

    def _take_sample(self) -> None:
        self._sampled_at, self._sample, self.sample_at = self._clock(), self._probe(self.pids).sample(), None

    def end_wait(self) -> None:
        """Note the threads that ran while the console waited, because it gets a line now."""
        self.sample_at = None
        if self._sample is None or self._clock() - self._sampled_at < SHORTEST_WAIT_S:
            return
        before, now = self._sample, self._probe(self.pids).sample() or {}
        found = {tid for tid, runs in now.items() if runs > before.get(tid, runs) + SETTLING_RUNS}
        self.known = (self.known or frozenset()) | found

    @property
    def free_at(self) -> float:
        """The monotonic second from which the waiting console can get a line."""
        return self._sampled_at + WATCHES_S[self._watch] if self.known is None else 0.0

    def watch_longer(self) -> None:
        """Watch longer next time, because a turn did not come to rest.

        Perhaps an unknown background thread runs.
        """
        longest = len(WATCHES_S) - 1
        if self._watch < longest - 1 or not self.known:
            self._watch = min(self._watch + 1, longest)

    def rest_probe(self) -> RestProbe:
        """Make a probe that tells whether this process is at rest."""
        return self._probe(self.pids, self.known)
