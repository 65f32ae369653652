"""A streamed completion read as it comes, so that a test can look at the gateway in the middle of it, or leave."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


class Stream:
    """A streamed completion over a socket of its own; `next` gives the data of one event at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._file = sock.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers: dict[str, str] = {}
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()

    @property
    def id(self) -> str:
        return self.headers["x-request-id"]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The chunks, and at last the error if there is one; ends at `[DONE]` or with the connection."""
        for line in self._file:
            if line.startswith(b"data: [DONE]"):
                return
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    def raw_line(self) -> bytes:
        """The next line as it came, comments among them."""
        return self._file.readline()

    def until_text(self) -> Stream:
        """Read up to the first piece of reasoning or answer: the job is decoding now."""
        for chunk in self:
            delta = chunk["choices"][0]["delta"] if chunk.get("choices") else {}
            if delta.get("content") or delta.get("reasoning_content"):
                return self
        raise AssertionError("the stream has ended without a piece of text")

    def read_to_end(self) -> Answer:
        """Read to the end, and hang up."""
        text, finish, error = "", None, None
        for chunk in self:
            error = chunk.get("error") or error
            for choice in chunk.get("choices", []):
                text += (choice["delta"].get("reasoning_content") or "") + (choice["delta"].get("content") or "")
                finish = choice["finish_reason"] or finish
        self.close()
        return Answer(text, finish, error)

    def close(self) -> None:
        self._file.close()
        self.sock.close()


@dataclass(frozen=True)
class Answer:
    """What a stream came to: reasoning and answer joined, the finish reason, the error object."""

    text: str
    finish: str | None
    error: dict[str, Any] | None
