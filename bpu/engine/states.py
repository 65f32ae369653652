"""The engine's states as one table; whoever wants to move asks it, and an illegal move raises and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum


class State(str, Enum):
    """What the one console is doing. `busy` includes the reset before a job: the BPU is not free.

    `checking`: the model is loaded, and an examination finds out what the console remembers; no job is served.
    """

    STOPPED = "stopped"
    STARTING = "starting"
    CHECKING = "checking"
    READY = "ready"
    BUSY = "busy"
    STOPPING = "stopping"
    FAILED = "failed"


class Move(str, Enum):
    """What can happen to it."""

    LOAD = "load"
    BANNER = "banner"
    EXAMINE = "examine"
    TAKE = "take"
    GIVE_BACK = "give back"
    END = "end"
    GONE = "gone"
    DIED = "died"
    GIVE_UP = "give up"


TRANSITIONS: dict[tuple[State, Move], State] = {
    (State.STOPPED, Move.LOAD): State.STARTING,
    (State.FAILED, Move.LOAD): State.STARTING,
    (State.STARTING, Move.BANNER): State.READY,
    (State.STARTING, Move.EXAMINE): State.CHECKING,
    (State.STARTING, Move.END): State.STOPPING,
    (State.STARTING, Move.DIED): State.FAILED,
    (State.CHECKING, Move.GIVE_BACK): State.READY,
    (State.CHECKING, Move.END): State.STOPPING,
    (State.CHECKING, Move.DIED): State.FAILED,
    (State.READY, Move.TAKE): State.BUSY,
    (State.READY, Move.END): State.STOPPING,
    (State.READY, Move.DIED): State.FAILED,
    (State.BUSY, Move.GIVE_BACK): State.READY,
    (State.BUSY, Move.END): State.STOPPING,
    (State.BUSY, Move.DIED): State.FAILED,
    (State.STOPPING, Move.GONE): State.STOPPED,
    # Whatever ended it was wrong with the console (a load too long, out of step): it is gone, and it failed.
    (State.STOPPING, Move.GIVE_UP): State.FAILED,
    # A program that cannot even be started.
    (State.STOPPED, Move.GIVE_UP): State.FAILED,
    (State.FAILED, Move.GIVE_UP): State.FAILED,
}


class IllegalMove(RuntimeError):
    """A move that the table does not have: a bug of ours, never of the console's."""


class Machine:
    """The one owner of the state. `changed(old, new, move)` is called once for every change."""

    def __init__(self, changed: Callable[[State, State, Move], None] = lambda old, new, move: None) -> None:
        self.state = State.STOPPED
        self._changed = changed

    def move(self, move: Move) -> State:
        """Make `move`; returns the new state. Raises `IllegalMove`."""
        new = TRANSITIONS.get((self.state, move))
        if new is None:
            raise IllegalMove(f"the engine is {self.state.value}; it cannot {move.value}")
        old, self.state = self.state, new
        if new is not old:
            self._changed(old, new, move)
        return new
