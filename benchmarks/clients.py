"""Many clients in one thread, and waiting for a condition."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from bpu.bench.client import DONE, LIMIT_S, READ_BYTES, Address


def run_clients(
    address: Address,
    data: bytes,
    *,
    clients: int,
    jobs: int,
    last: bytes = DONE,
    on_done: Callable[[int], None] = lambda count: None,
) -> None:
    """Run `jobs` exchanges, `clients` of them at a time, in one thread.

    `on_done` gets the number that are over.

    Raises `ConnectionError` for an answer that ends without `last`.
    """
    with selectors.DefaultSelector() as selector, ExitStack() as stack:
        tails: dict[socket.socket, bytes] = {}
        stack.callback(_close_all, tails)

        def connect() -> None:
            sock = socket.create_connection(address, timeout=LIMIT_S)
            sock.sendall(data)
            tails[sock] = b""
            selector.register(sock, selectors.EVENT_READ)

        begun, over = 0, 0
        while over < jobs:
            while len(tails) < clients and begun < jobs:
                connect()
                begun += 1
            for key, _ in selector.select(LIMIT_S) or _no_answer():
                sock: Any = key.fileobj
                piece = sock.recv(READ_BYTES)
                tails[sock] = (tails[sock] + piece)[-64:]
                if piece and not (last and last in tails[sock]):
                    continue
                if last not in tails[sock]:
                    raise ConnectionError(f"an answer broke off: {tails[sock]!r}")
                selector.unregister(sock)
                del tails[sock]
                sock.close()
                over += 1
                on_done(over)


def _close_all(socks: Iterable[socket.socket]) -> None:
    for sock in socks:
        sock.close()


def _no_answer() -> list[Any]:
    raise TimeoutError("no answer came")


def wait_for(condition: Callable[[], Any], *, seconds: float = 30.0, what: str = "", pause_s: float = 0.005) -> Any:
    """Call `condition` until its value is true; the value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} seconds: {what}")
        time.sleep(pause_s)
    return value
