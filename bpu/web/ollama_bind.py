"""The addresses of `BPU_OLLAMA_BIND`: which of them can be served beside those of `BPU_BIND`.

gunicorn exits when one of its addresses is in use, and a real Ollama may hold its port; so each is tried first. The
master keeps the result here: workers inherit it, and after a reload it names the master's own ports.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection

from bpu.board.addresses import bind_problem

_served: set[str] = set()
_refused: dict[str, str] = {}


def choose(
    bind: str, others: Collection[str] = (), *, find_problem: Callable[[str], OSError | None] = bind_problem
) -> list[str]:
    """Choose the addresses in `bind` to serve beside `others`; `refused` has the rest with reasons."""
    parts = [part for part in dict.fromkeys(bind.split(",")) if part and part not in others]
    taken = list(others)
    _refused.clear()
    for part in parts:
        if "LISTEN_FDS" in os.environ:
            _refused[part] = "the sockets come from systemd; add it to the socket unit"
        elif (own := next((one for one in taken if _overlap(part, one)), None)) is not None:
            _refused[part] = f"the gateway itself listens there, at {own}"
        elif part not in _served and (problem := find_problem(part)) is not None:
            _refused[part] = problem.strerror or str(problem)
        else:
            taken.append(part)
    _served.clear()
    _served.update(part for part in parts if part not in _refused)
    return [part for part in parts if part in _served]


def _overlap(one: str, other: str) -> bool:
    """Whether two addresses cannot be listened on together, because one host includes the other.

    Linux takes IPv4 at `[::]`, too.
    """
    if one.startswith("unix:") or other.startswith("unix:"):
        return False
    (host, _, port), (other_host, _, other_port) = one.rpartition(":"), other.rpartition(":")
    hosts = {host, other_host}
    is_ipv4 = not any(name.startswith("[") for name in hosts)
    return port == other_port and (len(hosts) == 1 or "[::]" in hosts or ("0.0.0.0" in hosts and is_ipv4))


def refused() -> dict[str, str]:
    """Return the addresses that are not served, each with its reason."""
    return dict(_refused)


def state() -> list[dict[str, object]]:
    """Return each address of the setting as `/health` shows it."""
    served: list[dict[str, object]] = [{"address": part, "served": True, "reason": None} for part in sorted(_served)]
    return [*served, *({"address": part, "served": False, "reason": reason} for part, reason in _refused.items())]
