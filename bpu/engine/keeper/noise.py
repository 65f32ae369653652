"""Finds the threads of a console that run although it waits, so that its rest can be told from a model's work.

A library may have a thread that wakes now and then. Threads have other ids after each load, so each process is watched
anew while it waits between two turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bpu.engine.timed_reader import RestProbe, Sample

#: How long a console must have waited before its threads that run meanwhile are known.
NOISE_S = 0.5
#: How long a process waits so before its first line, in seconds: longer each time that a turn was not seen to come to
#: rest. If even the longest time has shown no thread, it was the model that was at work, and no line waits any more.
WATCHES_S = (0.0, NOISE_S, 2.0, 8.0, 0.0)
#: A thread that runs no more than so often after its prompt has only come to rest.
SETTLING_RUNS = 3


class NoiseWatch:
    """Watches one process after the other. `noisy` are the threads found, None while that is not known."""

    def __init__(self, clock: Callable[[], float], *, probe: Callable[..., RestProbe] = RestProbe) -> None:
        self._clock, self._probe = clock, probe
        #: The processes of the console; a wrapper may have started it as a child, in the session made for it.
        self.pids: list[int] = []
        self.noisy: frozenset[int] | None = None
        self._watch = 0
        self._sample: Sample = None
        self._sampled_at = 0.0

    def begin(self, pids: Iterable[int]) -> None:
        """A process has come to its first prompt."""
        self.pids, self.noisy = list(pids), None
        self.wait()

    def wait(self) -> None:
        """The console waits from now on."""
        self._sampled_at, self._sample = self._clock(), self._probe(self.pids).sample()

    def end_wait(self) -> None:
        """The console is given a line: what ran although it waited is known, if it has waited for long enough."""
        if self._sample is None or self._clock() - self._sampled_at < NOISE_S:
            return
        before, now = self._sample, self._probe(self.pids).sample() or {}
        found = {tid for tid, runs in now.items() if runs > before.get(tid, runs) + SETTLING_RUNS}
        self.noisy = (self.noisy or frozenset()) | found

    @property
    def free_at(self) -> float:
        """The moment from which the waiting console can be given a line."""
        return self._sampled_at + WATCHES_S[self._watch] if self.noisy is None else 0.0

    def watch_longer(self) -> None:
        """A turn was not seen to come to rest: perhaps because of a thread that a shorter watch has not shown."""
        longest = len(WATCHES_S) - 1
        if self._watch < longest - 1 or not self.noisy:
            self._watch = min(self._watch + 1, longest)

    def rest_probe(self) -> RestProbe:
        """What tells rest from work, as far as this process is known."""
        return self._probe(self.pids, self.noisy)
