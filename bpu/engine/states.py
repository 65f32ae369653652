"""The engine's states and the table of legal transitions between them.

An illegal one raises and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum


class State(str, Enum):
    """What the one console is doing.

    `busy` includes the reset before a job. `checking`: the model is loaded and the console is being examined; no job
    is served.
    """

    STOPPED = "stopped"
    STARTING = "starting"
    CHECKING = "checking"
    READY = "ready"
    BUSY = "busy"
    STOPPING = "stopping"
    FAILED = "failed"


class Transition(str, Enum):
    """What can happen to the console; the key of a transition."""

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
    # It was ended because of a fault of the console, such as a load that took too long.
    (State.STOPPING, Transition.GIVE_UP): State.FAILED,
    # A program that cannot even be started.
    (State.STOPPED, Transition.GIVE_UP): State.FAILED,
    (State.FAILED, Transition.GIVE_UP): State.FAILED,
}


class IllegalTransition(RuntimeError):
    """The table has no such transition: a bug of the gateway, never of the console."""


class Machine:
    """Holds the state; owned by the supervisor, in the keeper's one thread.

    It calls `changed(old, new, transition)` once for every change.
    """

    def __init__(self, changed: Callable[[State, State, Transition], None] = lambda old, new, transition: None) -> None:
        self.state = State.STOPPED
        self._changed = changed

    def apply(self, transition: Transition) -> State:
        """Apply `transition`; return the new state. Raises `IllegalTransition`."""
        new = TRANSITIONS.get((self.state, transition))
        if new is None:
            raise IllegalTransition(f"the engine is {self.state.value}; it cannot {transition.value}")
        old, self.state = self.state, new
        if new is not old:
            self._changed(old, new, transition)
        return new
