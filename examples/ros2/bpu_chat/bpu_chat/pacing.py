"""Gives pieces to the speech node no faster than it speaks.

Its queues drop what is too much. Pure: the time is an argument, in seconds.
"""

from __future__ import annotations

import re
from collections import deque

from bpu_chat.speech import segments

_WIDE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


class Pacer:
    """Holds pieces back until at most `ahead` segments, by estimate, wait in the speech node.

    Nothing is known of the speech node but what was sent to it: how long it speaks is estimated by the number of
    characters. Invariant: the pieces come out whole and in order.
    """

    def __init__(self, *, ahead: int = 2, chinese_per_s: float = 4.5, latin_per_s: float = 14.0) -> None:
        self._ahead = ahead
        self._chinese_per_s = chinese_per_s
        self._latin_per_s = latin_per_s
        self._waiting: deque[str] = deque()
        self._ends: deque[float] = deque()  # when each segment that was sent will have been spoken

    def add(self, pieces: list[str]) -> None:
        self._waiting.extend(pieces)

    def due(self, now: float) -> list[str]:
        """The pieces that may be sent now."""
        sent = []
        while self._waiting:
            self._forget(now)
            count = segments(self._waiting[0])
            if self._ends and len(self._ends) + count > self._ahead:
                break
            piece = self._waiting.popleft()
            begin = max(now, self._ends[-1] if self._ends else now)
            each = self.duration(piece) / max(1, count)
            self._ends.extend(begin + each * (number + 1) for number in range(count))
            sent.append(piece)
        return sent

    def drop(self) -> None:
        """Drop unsent pieces; sent ones are spoken anyway, because hobot_tts cannot be stopped."""
        self._waiting.clear()

    def is_waiting(self) -> bool:
        return bool(self._waiting)

    def is_speaking(self, now: float) -> bool:
        """Whether the speech node still speaks, by estimate, or has more to speak."""
        self._forget(now)
        return bool(self._ends or self._waiting)

    def duration(self, piece: str) -> float:
        """Estimate how long `piece` is spoken, in seconds."""
        wide = len(_WIDE.findall(piece))
        return 0.2 + wide / self._chinese_per_s + (len(piece) - wide) / self._latin_per_s

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()
