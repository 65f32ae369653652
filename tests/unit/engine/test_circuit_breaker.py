"""The circuit breaker first retries without delay, then after growing pauses."""

from __future__ import annotations

from bpu.engine.keeper.circuit_breaker import FREE_RETRIES, LONGEST_PAUSE_S, CircuitBreaker


def test_bad_luck_costs_no_pause() -> None:
    breaker = CircuitBreaker()
    for _ in range(FREE_RETRIES):
        breaker.record_failure(now=100.0)
        assert breaker.wait_s(100.0) == 0
    assert not breaker.is_open


def test_a_crash_loop_pauses_longer_and_longer_up_to_a_minute() -> None:
    breaker, now, pauses = CircuitBreaker(), 100.0, []
    for _ in range(FREE_RETRIES + 8):
        breaker.record_failure(now)
        pauses.append(breaker.wait_s(now))
        now += breaker.wait_s(now)
    growing = pauses[FREE_RETRIES:]
    assert growing == sorted(growing)
    assert growing[0] > 0
    assert growing[-1] == LONGEST_PAUSE_S
    assert breaker.is_open


def test_the_pause_ends_by_itself() -> None:
    breaker = CircuitBreaker()
    for _ in range(FREE_RETRIES + 1):
        breaker.record_failure(now=0.0)
    assert breaker.wait_s(0.0) > 0
    assert breaker.wait_s(breaker.until) == 0


def test_a_finished_job_forgives() -> None:
    breaker = CircuitBreaker()
    for _ in range(FREE_RETRIES + 3):
        breaker.record_failure(now=0.0)
    breaker.reset()
    assert breaker.wait_s(0.0) == 0
    assert not breaker.is_open


def test_holding_never_shortens_a_pause() -> None:
    breaker = CircuitBreaker()
    breaker.delay_until(now=0.0, seconds=10.0)
    breaker.delay_until(now=0.0, seconds=1.0)
    assert breaker.wait_s(0.0) == 10.0
