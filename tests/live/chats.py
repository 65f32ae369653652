"""A conversation as a client leads it, and what the console was given: what is sent again, and what is not."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.live.gateway import FAST, Gateway

MODEL = "deepseek-r1:1.5b"
ASK = "What is the secret word?"
WORD = re.compile(r"ZQ\d+")


@dataclass
class Chat:
    """`messages` grow with every answer, as a chat program keeps them. `key` is the client's API key."""

    gateway: Gateway
    key: str = ""
    messages: list[dict[str, str]] = field(default_factory=list)

    def body(self, text: str, **fields: Any) -> dict[str, Any]:
        return {"model": MODEL, "messages": [*self.messages, {"role": "user", "content": text}], **fields}

    def say(self, text: str, **fields: Any) -> dict[str, Any]:
        """One turn that is answered; the completion as it came."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        body = self.body(text, **fields)
        completion = self.gateway.json("POST", "/v1/chat/completions", body, headers=headers)
        assert "choices" in completion, completion
        answer = completion["choices"][0]["message"]
        self.messages += [body["messages"][-1], {"role": "assistant", "content": answer["content"] or ""}]
        return dict(completion)


def secret_words(completion: dict[str, Any]) -> set[str]:
    """The secret words of whatever conversation in an answer, its reasoning included."""
    message = completion["choices"][0]["message"]
    return set(WORD.findall((message.get("reasoning_content") or "") + (message["content"] or "")))


def cached_tokens(completion: dict[str, Any]) -> int:
    """The tokens that were not sent again; all places that tell it must agree."""
    usage = completion["usage"]
    count = usage["prompt_tokens_details"]["cached_tokens"]
    assert count == usage["prompt_cache_hit_tokens"] == completion["timings"]["cache_n"]
    assert usage["prompt_cache_miss_tokens"] == usage["prompt_tokens"] - count == completion["timings"]["prompt_n"]
    return int(count)


@dataclass(frozen=True)
class ConsoleInput:
    """What a console has read, line by line, with the process that read it: the simulator's `--record`."""

    path: Path

    @property
    def options(self) -> str:
        return f"{FAST} --record {self.path}"

    def lines(self) -> list[tuple[int, str]]:
        if not self.path.exists():
            return []
        entries = (line.partition(b" ") for line in self.path.read_bytes().split(b"\n") if line)
        return [(int(pid), text.decode("utf-8", "replace")) for pid, _, text in entries]

    def starts(self) -> list[str]:
        """How each turn began: `new` on a new process, `reset` after that command, `on` what the turn before left."""
        found, last = [], ("", 0)
        for pid, line in self.lines():
            if line not in ("reset", "exit"):
                found.append("new" if pid != last[1] else "reset" if last[0] == "reset" else "on")
            last = (line, pid)
        return found
