"""Jobs on real processes: a keeper, the simulator, pipes and locks; how they wait, end and are left."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import gevent
import pytest

from bpu import errors, gevent_io
from bpu.console.events import Done, Text
from bpu.engine.file_locks import try_lock
from bpu.turn import Progress, TimeLimitReached
from tests.live.gateway import command
from tests.unit.engine.conftest import processes
from tests.unit.engine.jobs import LONG, EngineOf, answer, first_text, says, submit, wait_for

pytestmark = pytest.mark.live


def test_an_answer_comes_whole_and_the_next_job_finds_the_same_console(engine_of: EngineOf) -> None:
    engine = engine_of()
    text = "思考 <think>?\n[User] <<< ===== Performance\n</think>\n你好👋"
    assert answer(submit(engine, says(text))) == text
    assert answer(submit(engine, says("second"))) == "second"
    assert engine.status()["loads"] == 1


def test_waiting_is_shown_and_measured(engine_of: EngineOf) -> None:
    engine = engine_of()
    running = submit(engine, LONG, "running")
    first_text(running)
    waiting = submit(engine, says("at last"), "waiting")
    assert any(event == Progress("queued", 1) for event in waiting.events(5.0))
    running.close()
    assert answer(waiting) == "at last"
    assert waiting.timing.queued_s > 0
    assert waiting.timing.prompt_tokens == 10


def test_two_engines_share_one_console_and_one_queue(engine_of: EngineOf, tmp_path: Path) -> None:
    engines = [engine_of(), engine_of()]
    jobs = [submit(engines[number % 2], says(f"answer {number}"), f"job-{number}") for number in range(6)]
    assert [answer(job) for job in jobs] == [f"answer {number}" for number in range(6)]
    assert len([process for process in processes(tmp_path) if "bpu.engine.keeper" in command(process)]) == 1
    assert wait_for(lambda: engines[0].status()["state"] == "ready")
    assert engines[0].status()["loads"] == 1


def test_the_slot_is_locked_exactly_while_a_job_runs(engine_of: EngineOf, tmp_path: Path) -> None:
    engine = engine_of()
    job = submit(engine, LONG)
    first_text(job)
    assert try_lock(tmp_path / "slot.lock") is None
    job.close()
    lease = wait_for(lambda: try_lock(tmp_path / "slot.lock"))
    lease.close()


def test_a_job_that_is_closed_frees_the_bpu_for_the_next(engine_of: EngineOf) -> None:
    engine = engine_of()
    left = submit(engine, "[[sim tokens=100000 rate=50]]", "left")
    first_text(left)
    left.close()
    left.close()
    began = time.monotonic()
    assert answer(submit(engine, says("next"), "next")) == "next"
    assert time.monotonic() - began < 10
    with pytest.raises(errors.ClientLeft):
        list(left.events(1.0))


def test_an_answer_that_ends_soon_is_let_run_dry(engine_of: EngineOf) -> None:
    engine = engine_of(options="--load-seconds 2")
    job = submit(engine, "[[sim tokens=12 rate=20]]")
    first_text(job)
    job.close()
    assert answer(submit(engine, says("next"), "next")) == "next"
    assert wait_for(lambda: engine.status()["state"] == "ready")
    assert engine.status()["loads"] == 1


@pytest.mark.parametrize("how", ["fin", "rst", "half-close"])
@pytest.mark.parametrize("phase", ["queued", "prefill", "decode"])
def test_a_client_that_leaves_closes_its_job(engine_of: EngineOf, how: str, phase: str) -> None:
    engine = engine_of()
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server = listener.accept()[0]
    before = submit(engine, LONG, "before") if phase == "queued" else None
    job = submit(engine, "[[sim prefill=60]]" if phase == "prefill" else LONG, client=server)
    if phase == "decode":
        first_text(job)
    elif before is not None:
        first_text(before)
    leave(client, how)
    with pytest.raises(errors.ClientLeft):
        for _ in job.events(5.0):
            pass
    if before is not None:
        before.close()
    assert answer(submit(engine, says("next"), "next")) == "next"
    for sock in (listener, client, server):
        sock.close()


def leave(client: socket.socket, how: str) -> None:
    if how == "half-close":
        client.shutdown(socket.SHUT_WR)
        return
    if how == "rst":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


def test_a_client_that_sends_more_is_served_all_the_same(engine_of: EngineOf) -> None:
    engine = engine_of()
    ours, theirs = socket.socketpair()
    job = submit(engine, says("all of it"), client=ours)
    theirs.sendall(b"GET / HTTP/1.1\r\n")
    assert answer(job) == "all of it"
    ours.close()
    theirs.close()


def test_a_reader_that_catches_up_lets_others_in_between(engine_of: EngineOf) -> None:
    engine = engine_of()
    job = submit(engine, "[[sim tokens=100 rate=500]]")
    wait_for(lambda: engine.status()["state"] == "ready" and engine.status()["loads"] == 1 and not engine.jobs)
    turns = 0

    def another() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent_io.sleep(0)

    other = gevent_io.spawn(another)
    pieces = sum(isinstance(event, Text) for event in job.events(5.0))
    gevent_io.kill(other)
    assert pieces > 10
    assert turns >= pieces // 2


def test_cancelling_by_id_reaches_waiting_and_running_jobs(engine_of: EngineOf) -> None:
    engine, other = engine_of(), engine_of()
    running, waiting = submit(engine, LONG, "running"), submit(engine, LONG, "waiting")
    first_text(running)
    assert other.cancel("waiting")
    assert other.cancel("running")
    for job in (running, waiting):
        with pytest.raises(errors.JobCancelled):
            list(job.events(5.0))
    assert not other.cancel("running")
    assert answer(submit(engine, says("next"), "next")) == "next"


def test_a_full_queue_is_said_at_once(engine_of: EngineOf) -> None:
    engine = engine_of(queue_limit=1)
    running = submit(engine, LONG, "running")
    first_text(running)
    waiting = submit(engine, LONG, "waiting")
    with pytest.raises(errors.QueueFull) as refused:
        submit(engine, LONG, "refused")
    assert refused.value.retry_after is not None
    waiting.close()
    running.close()


def test_a_wait_that_is_too_long_ends(engine_of: EngineOf) -> None:
    engine = engine_of(queue_timeout_s=0.3)
    engine.load()
    wait_for(lambda: engine.status()["state"] == "ready")
    running = submit(engine, LONG, "running")
    first_text(running)
    waiting = submit(engine, LONG, "waiting")
    with pytest.raises(errors.QueueTimeout):
        list(waiting.events(None))
    running.close()


def test_a_time_limit_on_the_whole_job_cuts_it_without_an_error(engine_of: EngineOf) -> None:
    engine = engine_of(job_timeout_s=3.0)  # longer than the silence that ends an answer of one token
    events = list(submit(engine, "[[sim tokens=100000 rate=50]]").events(5.0))
    assert isinstance(events[-1], TimeLimitReached)
    assert any(isinstance(event, Text) for event in events)
    assert answer(submit(engine, says("next"), "next")) == "next"


class Listener:
    """A sink that notes in which greenlet it is called, and makes output of every `Text` up to `fails_at`."""

    def __init__(self, *, silent: bool = False, fails_at: int | None = None) -> None:
        self.greenlets: list[object] = []
        self.events: list[object] = []
        self.has_ended = False
        self._silent, self._fails_at = silent, fails_at

    def on_event(self, event: object) -> bool:
        self.events.append(event)
        self.has_ended = isinstance(event, Done)
        if isinstance(event, Text):
            self.greenlets.append(gevent.getcurrent())
            if len(self.greenlets) == self._fails_at:
                raise LookupError("the sink")
        return self.has_ended or (isinstance(event, Text) and not self._silent)


def test_a_token_reaches_the_sink_in_the_event_loop_and_wakes_the_client_once(engine_of: EngineOf) -> None:
    sink, texts = Listener(), []
    for _ in submit(engine_of(), "[[sim tokens=60 rate=100]]").feed(sink, 5.0):
        texts.append(len(sink.greenlets))
    assert set(sink.greenlets) == {gevent.get_hub()}
    assert len(sink.greenlets) > 10
    assert len(texts) - len(set(texts)) <= 1, "each wake-up has a new text, but perhaps the last one, for the end"


def test_a_client_that_is_sent_nothing_of_the_text_is_shown_that_the_job_runs(engine_of: EngineOf) -> None:
    sink = Listener(silent=True)
    for _ in submit(engine_of(), "[[sim tokens=100 rate=50]]").feed(sink, 0.1):
        assert sink.has_ended
    at = next(number for number, event in enumerate(sink.events) if isinstance(event, Text))
    assert sink.events[at:].count(Progress("decode")) > 3


def test_what_a_sink_raises_reaches_its_client_after_the_output_before_it(engine_of: EngineOf) -> None:
    engine = engine_of()
    job, sink = submit(engine, LONG), Listener(fails_at=3)
    wakes = job.feed(sink, 5.0)
    next(wakes)
    with pytest.raises(LookupError, match="the sink"):
        list(wakes)
    job.close()
    assert len(sink.greenlets) == 3
    assert answer(submit(engine, says("next"), "next")) == "next"
