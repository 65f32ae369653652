"""One request of an attack: what it asks the console to say, what its client must get, and what came of it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from tests.live.stream import Stream
from tests.witness.program import WitnessGateway

#: Stands in every line and in every stretch of an answer: a word that nobody else may ever read.
NONCE = re.compile(r"N\d{5}x[0-9a-f]{4}E")
#: What `fill` says; how much of it is the console's choice.
FILLING = re.compile("x{20,}")


@dataclass
class Job:
    """`lines` are the turns of its chat, mostly one. `expects` is the last answer, None where any will do.

    `role` is `attacker`, or `client`: one that must get its whole answer. `thinks` is its reasoning, "" where any will
    do: words of the answer before would come first of all, as reasoning.
    """

    role: str
    nonce: str
    lines: list[str]
    expects: str | None = None
    kind: str = ""
    thinks: str = ""
    #: Filled in by `run`; `reasoning` and `content` of the last turn.
    text: str = ""
    reasoning: str = ""
    content: str = ""
    failure: str = ""
    first_s: float = 0.0
    seconds: float = 0.0
    done: bool = field(default=False)

    def run(self, gateway: WitnessGateway, *, timeout: float) -> Job:
        began = time.monotonic()
        messages: list[dict[str, str]] = []
        try:
            for line in self.lines:
                messages.append({"role": "user", "content": line})
                self.reasoning = self.content = ""
                if not self._turn(gateway, messages, timeout, began):
                    break
                messages.append({"role": "assistant", "content": self.content})
        except (OSError, ValueError, HTTPException, IndexError) as error:
            self.failure = type(error).__name__
        self.seconds = time.monotonic() - began
        self.done = True
        return self

    def _turn(self, gateway: WitnessGateway, messages: list[dict[str, str]], timeout: float, began: float) -> bool:
        sock = gateway.open_stream("", messages=messages)
        sock.settimeout(timeout)
        stream = Stream(sock)
        try:
            if stream.status != 200:
                self.failure = f"status {stream.status}"
                return False
            finish = None
            for chunk in stream:
                if error := chunk.get("error"):
                    self.failure = str(error.get("code"))
                for choice in chunk.get("choices", []):
                    finish = self._add_choice(choice, began) or finish
            if finish is None and not self.failure:
                self.failure = "no end"
            return not self.failure
        finally:
            stream.close()

    def _add_choice(self, choice: dict[str, Any], began: float) -> str | None:
        reasoning, content = (choice["delta"].get(name) or "" for name in ("reasoning_content", "content"))
        if reasoning or content:
            self.first_s = self.first_s or time.monotonic() - began
        self.text += reasoning + content
        self.reasoning += reasoning
        self.content += content
        return choice["finish_reason"] or None

    # What is wrong with it

    @property
    def foreign(self) -> list[str]:
        """Words of other jobs, and scripts, which only the console's echo holds."""
        strange = sorted(set(NONCE.findall(self.text)) - {self.nonce})
        return strange + (["an echo"] if "{{new}}" in self.text else [])

    @property
    def is_whole(self) -> bool:
        """Whether the answer is byte for byte what the console was told to say; blanks at its very end are free."""
        if self.expects is None or self.failure:
            return True
        if self.thinks and self.reasoning.strip() != self.thinks:
            return False
        return FILLING.sub("", self.content).rstrip() == FILLING.sub("", self.expects).rstrip()
