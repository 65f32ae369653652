"""The connection between the keeper and its clients: one message a packet, descriptors beside it.

A job's connection, for example (`>` to the keeper, `<` from it; `bpu.engine.messages` has all messages):

    > {"op":"job","fingerprint":"0f3c...","id":"chatcmpl-1","arrived":811.5,"prefix_digest":"","tokens":12,...}
    < {"event":"place","position":1,"phase":"queued"}
    < {"event":"start","continued":false,"cached":0,"banner":"...",...}     and the console's stdin and stdout
    > {"op":"progress","tokens":20}
    > {"op":"end","digest":"","tokens":52,"report":{"proven":true,...}}

Packets of a unix `SOCK_SEQPACKET` socket keep their boundaries, so there is nothing to frame. The original
socket class is used on both sides: gevent's patched one does not pass descriptors cooperatively, and every
socket here is non-blocking.
"""

from __future__ import annotations

import array
import contextlib
import errno
import json
import os
import struct
import time
from _socket import (
    AF_UNIX,
    CMSG_LEN,
    MSG_CMSG_CLOEXEC,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    MSG_TRUNC,
    SCM_RIGHTS,
    SO_PEERCRED,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_SEQPACKET,
    SOL_SOCKET,
)
from _socket import SocketType as RawSocket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bpu.engine.messages import BadPacket, Message, NotifyShutdown, Packet, from_packet, to_packet

SOCKET_NAME = "engine.sock"
#: No packet is longer; a status line with a full queue stays well below.
PACKET_BYTES = 96 * 1024
_MAX_FDS = 2
_ENCODER = json.JSONEncoder(separators=(",", ":"))
_UNIX_PATH_BYTES = 107
_BACKLOG_PAUSE_S = 0.005
#: Errors that tell nothing about the other side: this process or this machine lacks something for the moment.
RESOURCE_ERRORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


class Closed(Exception):
    """The other side is gone."""


def encode(packet: Packet) -> bytes:
    """Encode a packet as JSON in UTF-8, without blanks."""
    return _ENCODER.encode(packet).encode()


def send(sock: RawSocket, message: Message, fds: Sequence[int] = ()) -> bool:
    """Send a message; False when the other side does not read (its buffer is full).

    Raises `Closed`.
    """
    return send_packet(sock, to_packet(message), fds)


def send_packet(sock: RawSocket, packet: Packet, fds: Sequence[int] = ()) -> bool:
    """Send a packet, which need not be a message; else as `send`."""
    rights = [(SOL_SOCKET, SCM_RIGHTS, array.array("i", fds))] if fds else []
    try:
        sock.sendmsg([encode(packet)], rights, MSG_DONTWAIT | MSG_NOSIGNAL)
    except BlockingIOError:
        return False
    except OSError as error:
        raise Closed from error
    return True


def receive(sock: RawSocket) -> tuple[Message, list[int]] | None:
    """Receive the next message and its descriptors; None when there is none yet.

    Raises `Closed` at the end of the connection, and `BadPacket` for a packet that is no message.
    """
    received = receive_packet(sock)
    if received is None:
        return None
    packet, fds = received
    try:
        return from_packet(packet), fds
    except BadPacket:
        close_all(fds)
        raise


def receive_packet(sock: RawSocket) -> tuple[Packet, list[int]] | None:
    """Receive the next packet and its descriptors; None when there is none yet.

    Raises `Closed` at the end. The kernel drops passed descriptors for which this process has no room, so there may be
    fewer than were sent. A packet that is too long or that is no JSON object ends the connection, too.
    """
    space = CMSG_LEN(_MAX_FDS * struct.calcsize("i"))
    try:
        data, ancillary, flags, _address = sock.recvmsg(PACKET_BYTES, space, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
    except BlockingIOError:
        return None
    except OSError as error:
        raise Closed from error
    fds = list(_descriptors(ancillary))
    try:
        if not data or flags & MSG_TRUNC:
            raise Closed
        return _object(data), fds
    except Closed:
        close_all(fds)
        raise


def close_all(fds: list[int]) -> None:
    """Close the descriptors and empty their list."""
    while fds:
        os.close(fds.pop())


def _object(data: bytes) -> Packet:
    try:
        packet = json.loads(data.decode())  # of bytes, `loads` would guess the encoding
    except (ValueError, RecursionError) as error:
        raise Closed from error
    if not isinstance(packet, dict):
        raise Closed
    return packet


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> Iterator[int]:
    for level, kind, data in ancillary:
        if level == SOL_SOCKET and kind == SCM_RIGHTS:
            fds = array.array("i")
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
            yield from fds


def peer_ids(sock: RawSocket) -> tuple[int, int, int]:
    """(pid, uid, gid) of the other side, from the kernel."""
    pid, uid, gid = struct.unpack("3i", sock.getsockopt(SOL_SOCKET, SO_PEERCRED, struct.calcsize("3i")))
    return pid, uid, gid


@contextlib.contextmanager
def _address(folder: Path) -> Iterator[str]:
    """The socket's path.

    It goes through an open folder where it is too long for the kernel.
    """
    path = folder / SOCKET_NAME
    if len(os.fsencode(path)) <= _UNIX_PATH_BYTES:
        yield str(path)
        return
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{SOCKET_NAME}"
    finally:
        os.close(fd)


def _new_socket() -> RawSocket:
    return RawSocket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC)


def connect(folder: Path) -> RawSocket | None:
    """A connection to the keeper of `folder`; None when no keeper listens.

    Raises BlockingIOError when the keeper's backlog is full (try again soon), and OSError when this process lacks
    something, such as a free descriptor.
    """
    sock = _new_socket()
    try:
        with _address(folder) as address:
            sock.connect(address)
    except OSError as error:
        sock.close()
        if isinstance(error, BlockingIOError) or error.errno in RESOURCE_ERRORS:
            raise
        return None
    return sock


def connect_within(folder: Path, seconds: float, *, sleep: Callable[[float], None]) -> RawSocket | None:
    """Connect as `connect` does, and wait at most `seconds` while the keeper's backlog is full.

    Raises BlockingIOError when it stays full.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return connect(folder)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            sleep(_BACKLOG_PAUSE_S)


def ask(sock: RawSocket, message: Message, *, wait_readable: Callable[[float], bool], limit_s: float) -> Message:
    """Send an order or a question, and return its answer.

    `wait_readable` waits at most so many seconds and returns whether the socket can be read. Raises TimeoutError when
    the keeper is silent for `limit_s`, `Closed` when it closes the connection, and `BadPacket` for no message.
    """
    send(sock, message)
    while (received := receive(sock)) is None:
        if not wait_readable(limit_s):
            raise TimeoutError
    return received[0]


def listen(folder: Path) -> RawSocket:
    """Listen in `folder`, which is made if it is missing.

    A stale socket is replaced: the caller holds the engine's lock, so no other keeper serves it.
    """
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    (folder / SOCKET_NAME).unlink(missing_ok=True)
    sock = _new_socket()
    with _address(folder) as address:
        sock.bind(address)
    # The folder decides who gets here; SO_PEERCRED is checked on top.
    (folder / SOCKET_NAME).chmod(0o660)
    sock.listen(4096)
    return sock


def accept(listener: RawSocket) -> RawSocket | None:
    """The next connection, non-blocking; None when there is none any more.

    Raises OSError without a free descriptor.
    """
    try:
        fd, _ = listener._accept()  # type: ignore[attr-defined]  # the raw class has no other
    except OSError as error:
        if error.errno in RESOURCE_ERRORS:
            raise
        return None
    sock = RawSocket(AF_UNIX, SOCK_SEQPACKET, 0, fd)
    sock.setblocking(False)
    return sock


def notify_shutdown(folder: Path) -> None:
    """Tell the keeper of `folder` that a whole gateway has stopped.

    So it does not wait for a replaced worker. The gunicorn master or a command calls this at its end. It does not wait,
    and ignores a keeper that is gone.
    """
    with contextlib.suppress(Closed, OSError):
        sock = connect(folder)
        if sock is not None:
            send(sock, NotifyShutdown())
            sock.close()
