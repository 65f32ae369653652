"""Runs the peer of a measurement: llama.cpp's own HTTP server with one model.

It is run as `python -m benchmarks.llama_server PORT MODEL CONTEXT THREADS`. Its parameters are those of
`bpu/cpu_console/llama.py`, so that the two differ only in what stands between the model and the client.
"""

from __future__ import annotations

import signal
import sys


def main() -> None:
    import xllamacpp

    port, model, context, threads = sys.argv[1:]
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx = int(context)
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(threads)
    params.verbosity = 1
    params.cache_ram_mib = 0
    params.n_ctx_checkpoints = 0
    params.ctx_shift = False
    params.ui = False
    params.hostnames, params.port = ["127.0.0.1"], int(port)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main()
