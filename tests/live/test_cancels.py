"""Whatever ends a job early frees the BPU for the next one, and no token of it ever reaches anybody else."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.live.chats import MODEL
from tests.live.gateway import Gateway, running, sim
from tests.support.waits import let_pass, until

Start = Callable[..., Gateway]
#: The BPU is free within two seconds; a busy test machine gets some more.
FREE_S = 6.0
#: Jobs of the random run.
CANCELS = int(os.environ.get("CANCELS", "500"))
LONG = sim(tokens=4000, rate=40)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Two workers that really share, so that an order often comes to another worker than the job did."""
    with running(tmp_path_factory.mktemp("shared"), workers=2, reuse_port=True) as started:
        yield started


def cancel(gateway: Gateway, job_id: str) -> int:
    return gateway.request("POST", f"/v1/jobs/{job_id}/cancel")[0]


def until_free(gateway: Gateway) -> None:
    until(lambda: gateway.slots()["slots"][0]["job"] is None, seconds=FREE_S, what="the slot is free")


def running_job(gateway: Gateway) -> dict[str, object]:
    return dict(gateway.slots()["slots"][0]["job"] or {})


def test_a_decoding_job_is_cancelled_by_the_id_of_its_completion(shared: Gateway) -> None:
    stream = shared.stream(LONG)
    chunk = next(iter(stream))
    assert chunk["id"] == stream.id
    stream.until_text()
    until(lambda: running_job(shared).get("id") == stream.id)
    assert cancel(shared, stream.id) == 200
    answer = stream.read_to_end()
    assert answer.finish is None
    assert answer.error is not None
    assert (answer.error["code"], answer.error["type"]) == ("job_cancelled", "server_error")
    until_free(shared)
    assert cancel(shared, stream.id) == 404
    assert shared.ask("1+1=?")["choices"][0]["finish_reason"] == "stop"


def test_a_job_in_prefill_is_cancelled(shared: Gateway) -> None:
    stream = shared.stream(sim(prefill=60))
    until(lambda: running_job(shared).get("id") == stream.id)
    assert cancel(shared, stream.id) == 200
    answer = stream.read_to_end()
    assert answer.error is not None
    assert (answer.error["code"], answer.text) == ("job_cancelled", "")
    until_free(shared)


def test_a_waiting_job_is_cancelled_and_the_running_one_never_knows(shared: Gateway) -> None:
    alone = shared.stream(sim("alone", tokens=60)).read_to_end().text
    first = shared.stream(sim("alone", tokens=60, rate=40)).until_text()
    waiting = [shared.stream(sim(nonce=f"N{number}E", tokens=10)) for number in range(3)]
    until(lambda: len(shared.slots()["waiting"]) == 3)
    assert cancel(shared, waiting[1].id) == 200
    error = waiting[1].read_to_end().error
    assert error is not None
    assert error["code"] == "job_cancelled"
    for number in (0, 2):
        assert f"N{number}E" in waiting[number].read_to_end().text
    rest = first.read_to_end()
    assert rest.finish == "stop"
    assert alone.endswith(rest.text)


def test_a_cancelled_answer_that_is_not_streamed_is_a_499(shared: Gateway) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": LONG}]}
    with ThreadPoolExecutor(1) as pool:
        until(lambda: not running_job(shared), what="the job of an earlier test is over")
        asked = pool.submit(shared.request, "POST", "/v1/chat/completions", body)
        job_id = str(until(lambda: running_job(shared).get("id")))
        assert cancel(shared, job_id) == 200
        status, headers, data = asked.result(30)
    assert (status, json.loads(data)["error"]["code"]) == (499, "job_cancelled")
    assert headers["x-request-id"] == job_id


def test_an_unknown_job_is_a_404(shared: Gateway) -> None:
    status, _, data = shared.request("POST", "/v1/jobs/chatcmpl-nobody/cancel")
    assert (status, json.loads(data)["error"]["code"]) == (404, "job_not_found")


def test_a_job_that_waits_for_the_model_is_cancelled_and_the_model_loads_on(start: Start) -> None:
    gateway = start(ready="starting", env={"BPU_CONSOLE_ARGS": "--speed max --load-seconds 3"})
    stream = gateway.stream("hello")
    until(lambda: gateway.slots()["waiting"])
    assert cancel(gateway, stream.id) == 200
    error = stream.read_to_end().error
    assert error is not None
    assert error["code"] == "job_cancelled"
    gateway.wait_for("ready")
    assert gateway.loads() == (1, {})


#: What ends an answer of a hundred seconds at its beginning, and the finish reason.
CUTS = [
    ({"max_tokens": 5}, "length"),
    ({"max_completion_tokens": 1}, "length"),
    ({"stop": "goes on"}, "stop"),
    ({"stop": ["never said", "one more word"]}, "stop"),
]


@pytest.mark.parametrize(("fields", "finish"), CUTS)
@pytest.mark.parametrize("streamed", [True, False])
def test_a_limit_frees_the_bpu(shared: Gateway, fields: dict[str, object], finish: str, streamed: bool) -> None:
    text = sim(tokens=4000, think=3, rate=40)
    if streamed:
        assert shared.stream(text, **fields).read_to_end().finish == finish
    else:
        assert shared.ask(text, **fields)["choices"][0]["finish_reason"] == finish
    until_free(shared)
    assert shared.ask("1+1=?")["choices"][0]["finish_reason"] == "stop"


def test_a_killed_console_is_loading_again_before_anybody_asks(start: Start) -> None:
    gateway = start()
    stream = gateway.stream(LONG).until_text()
    stream.close()
    until(lambda: gateway.engine().get("loads") == 2, seconds=FREE_S)
    gateway.wait_for("ready")
    assert len(gateway.consoles()) == 1


def test_an_answer_that_ends_sooner_than_a_load_is_let_run_dry(start: Start) -> None:
    gateway = start(env={"BPU_CONSOLE_ARGS": "--speed max --load-seconds 3"})
    assert gateway.stream(sim(tokens=40, rate=100), max_tokens=20).read_to_end().finish == "length"
    until_free(gateway)
    assert "2" in gateway.ask("1+1=?")["choices"][0]["message"]["content"]
    engine = gateway.engine()
    assert (engine["loads"], engine["restarts"]) == (1, {})


# Random cancels


def reset(sock: socket.socket) -> None:
    """Close with RST instead of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Storm:
    """Clients that ask for a text of their own nonce and mostly do not stay to the end of it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, what: str) -> None:
        with self._lock:
            self.seen[what] += 1

    def one(self, number: int) -> None:
        """One client; the number decides all that it does but the moments."""
        choose = random.Random(number)
        nonce, words = f"N{number}E", choose.randint(5, 60)
        spoken = " ".join([nonce] * words)
        say = base64.urlsafe_b64encode(f"{spoken}\n</think>\n\n{spoken}".encode()).decode()
        text = sim(say=say, rate=choose.choice((0, 4000, 2000)))
        moment = choose.uniform(0.0, 0.08)
        act = choose.choice((self.stay, self.leave, self.leave, self.cancel, self.cancel_decoding, self.limit))
        act(text, nonce, words, moment)

    def stay(self, text: str, nonce: str, words: int, moment: float) -> None:
        answer = self.gateway.stream(text).read_to_end()
        assert (answer.finish, answer.error) == ("stop", None)
        assert re.findall(r"N\d+E", answer.text) == [nonce] * (2 * words)
        self.count("stayed")

    def leave(self, text: str, nonce: str, words: int, moment: float) -> None:
        """Away at some moment, by FIN or RST; what was there by then is looked at."""
        sock = self.gateway.open_stream(text)
        let_pass(moment)
        sock.setblocking(False)
        try:
            data = sock.recv(1 << 20)
        except BlockingIOError:
            data = b""
        (reset if words % 2 else socket.socket.close)(sock)
        self.own(data.decode(errors="replace"), nonce)
        self.count("left early" if b"[DONE]" not in data else "left at the end")

    def cancel(self, text: str, nonce: str, words: int, moment: float) -> None:
        stream = self.gateway.stream(text)
        timer = threading.Timer(moment, cancel, (self.gateway, stream.id))
        timer.start()
        answer = stream.read_to_end()
        timer.join()
        self.own(answer.text, nonce)
        if answer.error is None:
            assert len(re.findall(r"N\d+E", answer.text)) == 2 * words
            self.count("cancelled too late")
        else:
            assert answer.error["code"] == "job_cancelled"
            self.count("cancelled")

    def cancel_decoding(self, text: str, nonce: str, words: int, moment: float) -> None:
        stream = self.gateway.stream(text).until_text()
        found = cancel(self.gateway, stream.id)
        answer = stream.read_to_end()
        self.own(answer.text, nonce)
        assert (answer.error is None) is (answer.finish == "stop")
        self.count("cancelled while decoding" if found == 200 else "cancelled too late")

    def limit(self, text: str, nonce: str, words: int, moment: float) -> None:
        answer = self.gateway.stream(text, max_tokens=max(1, words // 2)).read_to_end()
        assert answer.finish == "length"
        self.own(answer.text, nonce)
        self.count("limited")

    def own(self, text: str, nonce: str) -> None:
        assert set(re.findall(r"N\d+E", text)) <= {nonce}, f"a token of another answer beside {nonce}"


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("resets", ["command", "restart"])
def test_no_late_token_in_five_hundred_random_cancels(start: Start, resets: str) -> None:
    count = CANCELS if resets == "command" else CANCELS // 50
    gateway = start(workers=2, reuse_port=True, env={"BPU_RESET": resets, "BPU_CONTINUE": "auto"})
    storm = Storm(gateway)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(storm.one, range(count)))
    print(dict(storm.seen), gateway.engine()["restarts"])
    kinds = ("stayed", "left early", "cancelled", "cancelled while decoding", "limited")
    assert all(storm.seen[kind] > 0 for kind in kinds) or resets == "restart"
    gateway.wait_for("ready")
    until(lambda: not gateway.slots()["waiting"])
    assert len(gateway.consoles()) == 1
    assert gateway.engine()["error"] is None
    assert "out_of_step" not in gateway.engine()["restarts"]
