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


class Transition(str, Enum):
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


TRANSITIONS: dict[tuple[State, Transition], State] = {
    (State.STOPPED, Transition.LOAD): State.STARTING,
    (State.FAILED, Transition.LOAD): State.STARTING,
    (State.STARTING, Transition.BANNER): State.READY,
    (State.STARTING, Transition.EXAMINE): State.CHECKING,
    (State.STARTING, Transition.END): State.STOPPING,
    (State.STARTING, Transition.DIED): State.FAILED,
    (State.CHECKING, Transition.GIVE_BACK): State.READY,
    (State.CHECKING, Transition.END): State.STOPPING,
    (State.CHECKING, Transition.DIED): State.FAILED,
    (State.READY, Transition.TAKE): State.BUSY,
    (State.READY, Transition.END): State.STOPPING,
    (State.READY, Transition.DIED): State.FAILED,
    (State.BUSY, Transition.GIVE_BACK): State.READY,
    (State.BUSY, Transition.END): State.STOPPING,
    (State.BUSY, Transition.DIED): State.FAILED,
    (State.STOPPING, Transition.GONE): State.STOPPED,
    # Whatever ended it was wrong with the console (a load too long, out of step): it is gone, and it failed.
    (State.STOPPING, Transition.GIVE_UP): State.FAILED,
    # A program that cannot even be started.
    (State.STOPPED, Transition.GIVE_UP): State.FAILED,
    (State.FAILED, Transition.GIVE_UP): State.FAILED,
}


class IllegalMove(RuntimeError):
    """A move that the table does not have: a bug of ours, never of the console's."""


class Machine:
    """The one owner of the state. `changed(old, new, move)` is called once for every change."""

    def __init__(self, changed: Callable[[State, State, Transition], None] = lambda old, new, move: None) -> None:
        self.state = State.STOPPED
        self._changed = changed

    def move(self, move: Transition) -> State:
        """Make `move`; returns the new state. Raises `IllegalMove`."""
        new = TRANSITIONS.get((self.state, move))
        if new is None:
            raise IllegalMove(f"the engine is {self.state.value}; it cannot {move.value}")
        old, self.state = self.state, new
        if new is not old:
            self._changed(old, new, move)
        return new
