"""The table has every legal transition and no other."""

from __future__ import annotations

import pytest

from bpu.engine.states import TRANSITIONS, IllegalTransition, Machine, State, Transition


def machine_in(state: State) -> Machine:
    machine = Machine()
    machine.state = state
    return machine


@pytest.mark.parametrize(("state", "move"), TRANSITIONS)
def test_a_legal_move_is_told_once(state: State, move: Transition) -> None:
    told: list[tuple[State, State, Transition]] = []
    machine = Machine(lambda *change: told.append(change))
    machine.state = state
    new = machine.apply(move)
    assert machine.state is new
    assert told == ([] if new is state else [(state, new, move)])


@pytest.mark.parametrize("state", State)
def test_an_illegal_move_raises_and_changes_nothing(state: State) -> None:
    for move in Transition:
        if (state, move) not in TRANSITIONS:
            machine = machine_in(state)
            with pytest.raises(IllegalTransition, match=state.value):
                machine.apply(move)
            assert machine.state is state


def test_every_state_can_be_reached_and_left() -> None:
    assert set(TRANSITIONS.values()) == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State)


def test_only_a_console_that_is_ready_can_be_taken() -> None:
    assert [state for state, move in TRANSITIONS if move is Transition.TAKE] == [State.READY]
