"""Measures what large images of some clients cost the others of the same worker.

It measures gaps between tokens, memory and time.
"""

from __future__ import annotations

import base64
import json
import random
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

from benchmarks import programs
from benchmarks.plan import Benchmark, question, warm_up
from benchmarks.programs import Gateway, cpu_s, memory_mb
from bpu.bench.client import Exchange, chat, exchange, request
from bpu.bench.figures import Check, Row

#: The rate of the stream that is looked at, and the time of its tokens.
RATE, SECONDS = 25, 12
#: Bytes of one image, which are 14 MB in base64.
IMAGE_BYTES = 11 << 20
#: The gateway of a model that sees. Its console takes a moment to read an image in.
SETTINGS = {"BPU_CONSOLE_PROFILE": "vlm"}
SEES = ("--prefill-rate", "1000")


def images(bench: Benchmark) -> Iterator[Row]:
    """Measure the longest gap of a stream, alone and beside image bodies.

    There is one worker, and the images have 11 MB.
    """
    with programs.gateway(bench.new_folder(), *SEES, env=SETTINGS) as gateway:
        warm_up(gateway)
        [worker] = gateway.worker_pids()
        _post(gateway, _body(0))
        alone = _gaps(_stream(gateway))
        memory, used = memory_mb(worker), cpu_s([worker])
        _stream(gateway)
        streamed = cpu_s([worker]) - used
        used = cpu_s([worker])
        beside, highest = _beside(gateway, worker, bench.plan.images)
        used = cpu_s([worker]) - used - streamed
        kept = memory_mb(worker) - memory
    bench.series["gap between tokens, alone, ms"] = alone
    bench.series["gap between tokens, beside images, ms"] = beside
    over = max(beside) - max(alone)
    yield Row("images_gap_alone", "ms", max(alone))
    yield Row("images_gap", "ms", max(beside), checks=[Check("over_alone_ms", over, 20.0)])
    yield Row("images_cpu", "ms", max(0.0, used) * 1000 / bench.plan.images)
    yield Row("images_memory", "MB", highest - memory, checks=[Check("mb", highest - memory, 15.0)])
    yield Row("images_memory_kept", "MB", kept, checks=[Check("mb", kept, 5.0)])


def _beside(gateway: Gateway, worker: int, count: int) -> tuple[list[float], float]:
    """Return the gaps of a stream beside `count` bodies, and the worker's memory.

    Three bodies are sent at a time; the most memory in MB.
    """
    bodies = [_body(number) for number in range(count)]
    found: list[Exchange] = []
    stream = threading.Thread(target=lambda: found.append(_stream(gateway)))
    stream.start()
    highest = 0.0
    posts = [threading.Thread(target=_post, args=(gateway, body)) for body in bodies]
    for number, post in enumerate(posts):
        # They wait for the stream's end once their images are read, so the next may begin soon.
        time.sleep(SECONDS / 2 / count if number % 3 == 0 else 0.0)
        post.start()
    while stream.is_alive() or any(post.is_alive() for post in posts):
        highest = max(highest, memory_mb(worker))
        time.sleep(0.05)
    return _gaps(found[0]), highest


def _stream(gateway: Gateway) -> Exchange:
    return exchange(gateway.address, chat(question(tokens=RATE * SECONDS, rate=RATE)))


def _gaps(answer: Exchange) -> list[float]:
    """Return the times between the pieces of an answer in milliseconds."""
    return [(later - sooner) / 1e6 for (sooner, _), (later, _) in pairwise(answer.texts())]


def _post(gateway: Gateway, body: bytes) -> None:
    answer = exchange(gateway.address, request("/v1/chat/completions", body))
    if answer.status != 200:
        raise AssertionError(f"the image was refused: {answer.data[:300]!r}")


def _body(seed: int) -> bytes:
    """Return a request with an image of `IMAGE_BYTES`.

    A small picture, and random bytes that no decoder reads.
    """
    size = 64 * 64 * 3
    head = b"BM" + (54 + size).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
    head += b"".join(number.to_bytes(4, "little") for number in (40, 64, 64, 1 | 24 << 16, 0, size, 0, 0, 0, 0))
    data = head + bytes(size) + random.Random(seed).randbytes(IMAGE_BYTES)
    url = f"data:image/bmp;base64,{base64.b64encode(data).decode()}"
    parts = [{"type": "text", "text": "Which colour?"}, {"type": "image_url", "image_url": {"url": url}}]
    message = {"role": "user", "content": parts}
    return json.dumps({"model": "deepseek-r1:1.5b", "max_tokens": 1, "messages": [message]}).encode()
