"""A worker that is forked while the gateway stops."""

from __future__ import annotations

import subprocess
import sys

#: Forks children as gunicorn's master does, its handler installed, and signals each as soon as it has a pid. Prints how
#: many children have not noticed within a second.
FORKS = """
import os, signal, time
import bpu.server.worker
seen = []
signal.signal(signal.SIGQUIT, lambda number, frame: seen.append(number))
lost = 0
for _ in range(60):
    child = os.fork()
    if not child:
        until = time.monotonic() + 1
        while not seen and time.monotonic() < until:
            time.sleep(0.001)
        os._exit(not seen)
    os.kill(child, signal.SIGQUIT)
    lost += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(lost)
"""


def test_a_stop_signal_reaches_a_worker_that_was_forked_a_moment_before() -> None:
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=100, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")
