"""Five hundred waiting clients cost descriptors and nothing else, and are served in their order."""

from __future__ import annotations

import os
import re
import resource
from contextlib import ExitStack
from pathlib import Path

import psutil

from tests.live.chats import ConsoleInput
from tests.live.gateway import Gateway, running, sim
from tests.live.stream import Stream
from tests.support.waits import let_pass, until

CLIENTS = int(os.environ.get("CLIENTS", "500"))
#: Of them so many stay to be served.
STAYING = 60
#: Nothing but the queue may wake anybody: no keep-alive falls due while the wake-ups are counted.
CALM = {"BPU_QUEUE_LIMIT": "1000", "BPU_KEEPALIVE_S": "300", "BPU_FIRST_TOKEN_TIMEOUT_S": "0"}
WATCHED_S = 4.0


def wakeups(process: psutil.Process) -> int:
    """How often it has gone to sleep so far, all its threads together: as often it had been woken."""
    tasks = Path(f"/proc/{process.pid}/task").glob("*/status")
    found = (re.search(r"^voluntary_ctxt_switches:\s+(\d+)", task.read_text(), re.M) for task in tasks)
    return sum(int(match[1]) for match in found if match)


def woken_within(seconds: float, processes: list[psutil.Process]) -> int:
    before = sum(map(wakeups, processes))
    let_pass(seconds)
    return sum(map(wakeups, processes)) - before


def queued(gateway: Gateway) -> int:
    return int(gateway.engine()["queued"])


def test_five_hundred_clients_wait_at_no_cost_and_in_order(tmp_path: Path) -> None:
    read = ConsoleInput(tmp_path / "lines")
    env = {**CALM, "BPU_CONSOLE_ARGS": read.options}
    with running(tmp_path, env=env) as gateway, ExitStack() as stack:
        first = gateway.stream(sim(prefill=600))
        stack.callback(first.close)
        until(lambda: gateway.slots()["slots"][0]["job"], what="the first job runs")
        streams: list[Stream] = []
        for number in range(CLIENTS):
            streams.append(gateway.stream(sim(nonce=f"N{number}E", tokens=10)))
            stack.callback(streams[-1].close)
        until(lambda: queued(gateway) == CLIENTS, what="all of them wait")

        [worker], [keeper] = gateway.workers(), gateway.keepers()
        soft, hard = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
        assert soft == hard, "as many descriptors as the system allows"
        assert worker.num_fds() > 2 * CLIENTS
        # The worker itself says once a second that it lives, and a busy machine adds to that; one poll a second would
        # be a wake-up for each client in each second.
        assert woken_within(WATCHED_S, [worker, keeper]) < CLIENTS
        assert gateway.health()["engine"]["queued"] == CLIENTS
        assert gateway.request("GET", "/v1/models")[0] == 200

        leaving, staying = streams[:-STAYING], streams[-STAYING:]
        for stream in leaving:
            stream.close()
        until(lambda: queued(gateway) == STAYING, what="the places of those who left are free")
        assert gateway.request("POST", f"/v1/jobs/{first.id}/cancel")[0] == 200
        for number, stream in enumerate(staying, CLIENTS - STAYING):
            answer = stream.read_to_end()
            assert (answer.finish, answer.error) == ("stop", None)
            assert set(re.findall(r"N\d+E", answer.text)) == {f"N{number}E"}
        served = [int(match[1]) for _, line in read.lines() if (match := re.search(r"nonce=N(\d+)E", line))]
        assert served == list(range(CLIENTS - STAYING, CLIENTS))
        until(lambda: not gateway.slots()["waiting"], what="nobody waits any more")
        until(lambda: worker.num_fds() < CLIENTS, what="their descriptors are closed")
