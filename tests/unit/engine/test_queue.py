"""The queue orders jobs by arrival, even if the keeper receives them in another order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.engine.keeper.queue import Queue, QueueFull, Ticket


def ticket(arrived: float, number: int) -> Ticket[str]:
    return Ticket(arrived=arrived, number=number, peer=f"worker {number}", id=f"job-{number}")


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=30))
def test_jobs_are_served_in_the_order_of_arrival(arrivals: list[float]) -> None:
    queue: Queue[str] = Queue(limit=30)
    for number, arrived in enumerate(arrivals):
        queue.join(ticket(arrived, number))
    served = list(queue)
    assert [job.arrived for job in served] == sorted(arrivals)
    assert sorted(job.number for job in served) == list(range(len(arrivals)))


def test_equal_arrivals_keep_the_keepers_order() -> None:
    queue: Queue[str] = Queue(limit=3)
    for number in range(3):
        queue.join(ticket(1.0, number))
    assert [job.number for job in queue] == [0, 1, 2]


def test_a_full_queue_refuses_and_keeps_its_places() -> None:
    queue: Queue[str] = Queue(limit=1)
    queue.join(ticket(1, 1))
    with pytest.raises(QueueFull):
        queue.join(ticket(0, 0))
    assert [job.number for job in queue] == [1]


def test_a_free_slot_makes_room_for_one_more() -> None:
    queue: Queue[str] = Queue(limit=0)
    queue.join(ticket(1, 1), room_beyond=1)
    with pytest.raises(QueueFull):
        queue.join(ticket(2, 2), room_beyond=1)


def test_leaving_gives_up_only_ones_own_place() -> None:
    queue: Queue[str] = Queue(limit=3)
    jobs = [ticket(1.0, number) for number in range(3)]
    for job in jobs:
        queue.join(job)
    assert queue.remove(jobs[1])
    assert not queue.remove(jobs[1])
    assert list(queue) == [jobs[0], jobs[2]]
    assert queue.find("job-1") is None
    assert queue.find("job-2") is jobs[2]


def test_an_equal_ticket_is_not_the_same_ticket() -> None:
    queue: Queue[str] = Queue(limit=2)
    mine, twin = ticket(1.0, 1), ticket(1.0, 1)
    queue.join(mine)
    assert not queue.remove(twin)
    assert list(queue) == [mine]


def test_a_job_that_was_let_in_gets_its_place_back_whatever_the_limit() -> None:
    queue: Queue[str] = Queue(limit=1)
    first, second = ticket(1, 1), ticket(2, 2)
    queue.join(first)
    assert queue.first() is first
    assert queue.remove(first)
    queue.join(second)
    queue.rejoin(first)
    assert queue.first() is first
    assert len(queue) == 2
