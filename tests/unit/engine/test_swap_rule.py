"""Tests order, cost and bound of the rule that chooses the next model."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.engine.keeper.swap_rule import Demand, next_model

AFTER_S = 20.0


def chosen(demands: list[Demand], loaded: str | None, *, now: float, ready_since: float = 0.0) -> str | None:
    return next_model(demands, loaded, ready_since=ready_since, now=now, swap_after_s=AFTER_S)


def test_without_demands_nothing_changes() -> None:
    assert chosen([], "a", now=100.0) is None


def test_the_oldest_job_decides_while_no_model_is_in_memory() -> None:
    assert chosen([Demand("b", 1.0), Demand("a", 2.0)], None, now=3.0) == "b"


def test_a_model_that_no_job_wants_leaves_at_once() -> None:
    assert chosen([Demand("c", 1.0), Demand("b", 2.0)], "a", now=2.0) == "c"


@pytest.mark.parametrize(("age", "model"), [(0.0, "a"), (19.9, "a"), (20.0, "b"), (500.0, "b")])
def test_jobs_of_the_loaded_model_go_first_until_another_has_waited_long_enough(age: float, model: str) -> None:
    assert chosen([Demand("b", 1000.0), Demand("a", 1001.0)], "a", now=1000.0 + age) == model


def test_a_model_that_was_just_loaded_has_its_time_however_old_other_jobs_are() -> None:
    demands = [Demand("a", 1.0), Demand("b", 2.0)]
    assert chosen(demands, "b", now=1010.0, ready_since=1000.0) == "b"
    assert chosen(demands, "b", now=1020.0, ready_since=1000.0) == "a"


class Board:
    """Serves jobs by the rule; `answer_s` and `load_s` are what an answer and a load take."""

    def __init__(self, jobs: list[Demand], *, answer_s: float, load_s: float) -> None:
        self.now = self.ready_since = 0.0
        self.loaded: str | None = None
        self.swaps_with_own_jobs: list[float] = []
        self.waits: dict[Demand, float] = {}
        coming, waiting = sorted(jobs, key=lambda job: job.since), list[Demand]()
        while coming or waiting:
            while coming and coming[0].since <= self.now:
                waiting.append(coming.pop(0))
            if not waiting:
                self.now = coming[0].since
                continue
            model = chosen(waiting, self.loaded, now=self.now, ready_since=self.ready_since)
            if model != self.loaded:
                if any(job.fingerprint == self.loaded for job in waiting):
                    self.swaps_with_own_jobs.append(self.now)
                self.now += load_s
                self.loaded, self.ready_since = model, self.now
                continue
            job = next(job for job in waiting if job.fingerprint == model)
            waiting.remove(job)
            self.waits[job] = self.now - job.since
            self.now += answer_s


JOBS = st.lists(
    st.builds(Demand, st.sampled_from(["a", "b", "c"]), st.floats(0, 300, allow_nan=False)), max_size=40, unique=True
)


@given(JOBS, st.floats(0.1, 15), st.floats(0.1, 15))
def test_every_job_is_served_within_the_stated_bound(jobs: list[Demand], answer_s: float, load_s: float) -> None:
    board = Board(jobs, answer_s=answer_s, load_s=load_s)
    assert set(board.waits) == set(jobs)
    for job, waited in board.waits.items():
        older = sum(other.since <= job.since and other is not job for other in jobs)
        models = len({other.fingerprint for other in jobs})
        # The older jobs, one answer under way, for each other model its time and an answer, and a load each time.
        share = (models - 1) * (AFTER_S + answer_s)
        loads = (older * answer_s + share) / AFTER_S + older + models
        assert waited <= (older + 1) * answer_s + share + loads * load_s + 1e-6


@given(JOBS, st.floats(0.1, 15), st.floats(0.1, 15))
def test_a_model_with_waiting_jobs_is_given_up_once_in_its_time_at_most(
    jobs: list[Demand], answer_s: float, load_s: float
) -> None:
    swaps = Board(jobs, answer_s=answer_s, load_s=load_s).swaps_with_own_jobs
    gaps = [later - earlier for earlier, later in pairwise(swaps)]
    assert all(gap >= AFTER_S for gap in gaps)


def test_two_models_under_a_mixed_load_wait_no_longer_than_their_share() -> None:
    """Jobs of both come faster than they are answered; each model waits for one time of the other and the loads."""
    jobs = [Demand("ab"[number % 2], number * 1.0) for number in range(200)]
    board = Board(jobs, answer_s=2.0, load_s=5.0)
    order = list(board.waits)
    for model in "ab":
        served = [job for job in order if job.fingerprint == model]
        assert served == sorted(served, key=lambda job: job.since)
    changes = sum(first.fingerprint != second.fingerprint for first, second in pairwise(order))
    assert changes <= board.now / AFTER_S
