"""Random clients: they stay, leave, cancel, or meet a fault of the console; none may see another's words."""

from __future__ import annotations

import random
import re
import socket
import struct
import threading
from collections import Counter

from tests.live.gateway import Gateway, sim
from tests.live.stream import Answer, Stream
from tests.support.waits import let_pass

#: Faults of the console that end it, or that the gateway ends it for.
FAULTS = ("exit", "exit=0", "signal=SEGV", "signal=ABRT", "run-error", "no-answer", "hang", "endless", "late-tokens")
#: How often each kind of client comes, of a hundred.
MIX = {"stay": 30, "stay_whole": 10, "talk": 10, "leave": 25, "cancel": 15, "limit": 7, "fault": 3}


class Clients:
    """Counts what became of each client. `wrong` is what must never happen, in words."""

    def __init__(self, gateway: Gateway, seed: int) -> None:
        self.gateway, self.seed = gateway, seed
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._lock = threading.Lock()

    def run_client(self, number: int) -> None:
        """Client `number`: it and the seed decide all that it does."""
        choose = random.Random(self.seed * 1_000_000 + number)
        act = choose.choices(list(MIX), list(MIX.values()))[0]
        nonce = f"N{number}E"
        try:
            outcome = getattr(self, act)(choose, nonce)
        except (OSError, ValueError, LookupError) as error:
            self._count_outcome("broken", f"client {number} ({act}): {error!r}")
        else:
            self._count_outcome(outcome)

    def fill(self, number: int) -> None:
        """Have a worker hold as much as one answer may: what an allocator keeps of it is no growth later.

        An answer before it keeps the breaker closed, which would refuse most of these.
        """
        self._count_outcome(self.stay(random.Random(number), f"N{number}E"))
        self._count_outcome(_refusal_name(self._ask_streamed(sim(nonce=f"N{number}E", fault="endless")).error))

    def _count_outcome(self, outcome: str, wrong: str | None = None) -> None:
        with self._lock:
            self.seen[outcome] += 1
            if wrong is not None:
                self.wrong.append(wrong)

    def _check_nonces(self, text: str, nonce: str) -> None:
        strangers = set(re.findall(r"N\d+E", text)) - {nonce}
        if strangers:
            self._count_outcome("mixed", f"{nonce} saw the words of {', '.join(sorted(strangers))}")

    def _ask_streamed(self, text: str, **fields: object) -> Answer:
        return _read(self.gateway.stream(text, **fields))

    def stay(self, choose: random.Random, nonce: str) -> str:
        answer = self._ask_streamed(sim(nonce=nonce, tokens=choose.randint(20, 200)))
        self._check_nonces(answer.text, nonce)
        return "answered" if answer.finish == "stop" else _refusal_name(answer.error)

    def stay_whole(self, choose: random.Random, nonce: str) -> str:
        answer = self.gateway.ask(sim(nonce=nonce, tokens=choose.randint(20, 200)))
        self._check_nonces(str(answer), nonce)
        return "answered" if "choices" in answer else _refusal_name(answer.get("error"))

    def talk(self, choose: random.Random, nonce: str) -> str:
        """Three turns of one chat, which may be continued or not, as others come in between."""
        messages: list[dict[str, str]] = []
        for _ in range(3):
            messages.append({"role": "user", "content": sim(nonce=nonce, tokens=choose.randint(5, 50))})
            answer = self.gateway.ask("", messages=messages)
            self._check_nonces(str(answer), nonce)
            if "choices" not in answer:
                return _refusal_name(answer.get("error"))
            messages.append({"role": "assistant", "content": answer["choices"][0]["message"]["content"]})
            self._count_outcome("continued" if answer["timings"]["cache_n"] else "begun")
        return "talked"

    def leave(self, choose: random.Random, nonce: str) -> str:
        """Away at some moment, by FIN or RST, having read nothing."""
        sock = self.gateway.open_stream(sim(nonce=nonce, tokens=200, rate=2000))
        let_pass(choose.uniform(0, 0.1))
        if choose.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        return "left"

    def cancel(self, choose: random.Random, nonce: str) -> str:
        stream = self.gateway.stream(sim(nonce=nonce, tokens=200, rate=2000))
        let_pass(choose.uniform(0, 0.1))
        if stream.status == 200:
            self.gateway.request("POST", f"/v1/jobs/{stream.id}/cancel", {})
        answer = _read(stream)
        self._check_nonces(answer.text, nonce)
        return "answered" if answer.finish else _refusal_name(answer.error)

    def limit(self, choose: random.Random, nonce: str) -> str:
        answer = self._ask_streamed(sim(nonce=nonce, tokens=200), max_tokens=choose.randint(1, 40))
        self._check_nonces(answer.text, nonce)
        return "limited" if answer.finish == "length" else _refusal_name(answer.error)

    def fault(self, choose: random.Random, nonce: str) -> str:
        answer = self._ask_streamed(sim(nonce=nonce, tokens=60, fault=choose.choice(FAULTS)))
        self._check_nonces(answer.text, nonce)
        return "answered" if answer.finish else _refusal_name(answer.error)


def _read(stream: Stream) -> Answer:
    """A stream to its end. A refusal is no stream: its connection stays open, so nobody must wait for its end."""
    if stream.status == 200:
        return stream.read_to_end()
    stream.close()
    return Answer("", None, {"code": f"refused with {stream.status}"})


def _refusal_name(error: object) -> str:
    """What an answer that did not come is counted as."""
    return str(error.get("code")) if isinstance(error, dict) else "refused"
