"""A command that meets an engine of another version of the gateway says so, instead of "no gateway is running"."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bpu.cli import _keeper
from bpu.engine import protocol
from bpu.engine.messages import Packet
from bpu.errors import EngineUnavailable


@contextmanager
def keeper(folder: Path, answer: Packet | None) -> Iterator[list[Packet]]:
    """Listen as a keeper that gives `answer` to each packet; None: it closes the connection."""
    listener, ended, packets = protocol.listen(folder), threading.Event(), list[Packet]()

    def serve() -> None:
        while not ended.is_set():
            sock = protocol.accept(listener)
            if sock is None:
                ended.wait(0.01)
                continue
            try:
                while (packet := protocol.receive_packet(sock)) is None:
                    ended.wait(0.01)
                packets.append(packet[0])
                if answer is not None:
                    protocol.send_packet(sock, answer)
            except protocol.Closed:
                pass
            finally:
                sock.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield packets
    finally:
        ended.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize("answer", [{"say": "state", "what": "ready"}, {"say": "no such message"}, {}, None])
@pytest.mark.parametrize("op", ["status", "load"])
def test_an_engine_that_is_not_understood_is_of_another_version(op: str, answer: Packet | None, tmp_path: Path) -> None:
    with keeper(tmp_path, answer) as packets:
        with pytest.raises(EngineUnavailable, match="another version of the gateway"):
            _keeper.status(tmp_path) if op == "status" else _keeper.order(tmp_path, op)
        assert packets
    assert _keeper.status(tmp_path) is None
    assert not _keeper.order(tmp_path, "load")
