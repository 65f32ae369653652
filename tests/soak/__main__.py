"""`python -m tests.soak`: the run itself. It exits with 1 when something has grown or somebody saw another's words."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.live.gateway import Gateway
from tests.soak import held
from tests.soak.clients import Clients
from tests.support.waits import until

ENV = {
    "BPU_FIRST_TOKEN_TIMEOUT_S": "2",
    "BPU_STALL_TIMEOUT_S": "1",
    "BPU_QUEUE_LIMIT": "64",
}
#: What a gateway has whose user set nothing: the console is tested, and then trusted with what it has shown.
AUTO = {"BPU_RESET": "auto", "BPU_CONTINUE": "auto"}

#: By then every worker has its tokenizer and its caches; before, growth of memory tells nothing.
WARM_JOBS = 100


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    folder = Path(tempfile.mkdtemp(prefix="bpu-soak-"))
    scratch = folder / "tmp"
    scratch.mkdir()
    env = {**ENV, **(AUTO if options.auto else {}), "TMPDIR": str(scratch), "PYTHONPATH": str(Path.cwd())}
    gateway = Gateway(
        folder, application="tests.soak.served:app", workers=options.workers, reuse_port=True, own_session=True, env=env
    )
    code = 1
    try:
        code = run(gateway, folder, options)
    finally:
        gateway.stop()
        gateway.kill_all()
        if code == 0:
            shutil.rmtree(folder)
        else:
            print(f"The gateway's log is kept: {folder}/gunicorn.log")
    return code


def run(gateway: Gateway, folder: Path, options: argparse.Namespace) -> int:
    gateway.wait_for("ready")
    if options.auto:
        until(lambda: gateway.engine()["trust_source"] == "examination", what="the console is examined")
    clients = Clients(gateway, options.seed)
    warm = max(options.jobs // 10, min(WARM_JOBS, options.jobs // 2))
    memory = warm >= WARM_JOBS
    began = time.monotonic()
    with ThreadPoolExecutor(options.clients) as pool:
        list(pool.map(clients.run_client, range(warm)))
        if memory:
            gateway.wait_for("ready", seconds=120)  # a breaker that the faults have opened would refuse all of these
            for number in range(20 * options.workers):
                clients.fill(number)
        before = held.wait_settled(gateway, folder)
        list(pool.map(clients.run_client, range(warm, options.jobs)))
    after = held.wait_settled_below(before, gateway, folder, memory=memory)
    engine = gateway.engine()
    print(
        f"{options.jobs} jobs in {time.monotonic() - began:.0f} s, seed {options.seed}, {options.workers} workers, ",
        end="",
    )
    print(f"{options.clients} clients at a time; {engine['loads']} loads of the model.\n")
    print(", ".join(f"{outcome} {count}" for outcome, count in clients.seen.most_common()), "\n")
    print(held.table(before, after))
    faults = clients.wrong + held.growth(before, after, memory=memory)
    print("\n" + "\n".join(faults or ["Nothing has grown, and nobody saw another's words."]))
    return 1 if faults else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=8, help="at a time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--auto", action="store_true", help="as a user has it who set nothing: chats continue")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
