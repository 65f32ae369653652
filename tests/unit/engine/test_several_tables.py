"""A keeper accepts launches of its own table and of its reloaded versions, and no others."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bpu import errors
from bpu.engine import protocol
from bpu.engine.client.engine import Engine
from bpu.engine.launch_spec import LaunchSpec, LaunchTable, table_of
from tests.unit.engine.conftest import leave_nothing, start_engine
from tests.unit.engine.jobs import LONG, answer, says, submit, wait_for

pytestmark = pytest.mark.live


@pytest.fixture
def first(tmp_path: Path) -> Iterator[LaunchSpec]:
    yield start_engine(tmp_path).launch
    leave_nothing(tmp_path)


def other_of(launch: LaunchSpec, model: str, **changes: Any) -> LaunchSpec:
    return dataclasses.replace(launch, model=model, **changes)


def running(table: LaunchTable) -> Engine:
    engine = Engine(table)
    engine.start()
    wait_for(lambda: engine.status()["state"] == "ready")
    return engine


def test_models_of_one_table_are_served_in_turn(first: LaunchSpec) -> None:
    engine = running(table_of([first, other_of(first, "second"), other_of(first, "third")]))
    for model in ("second", "", "third"):
        assert answer(submit(engine, says(f"for {model}"), model=model)) == f"for {model}"
        assert engine.status()["model"] == (model or first.model)
    assert {name: one["loads"] for name, one in engine.status()["models"].items()} == {
        first.model: 2,
        "second": 1,
        "third": 1,
    }
    engine.stop()


def test_a_foreign_table_is_refused_but_for_a_launch_that_both_have(first: LaunchSpec) -> None:
    engine = running(table_of([first, other_of(first, "second")]))
    foreign = Engine(table_of([first, other_of(first, "foreign")]))
    assert answer(submit(foreign, says("shared"))) == "shared"
    with pytest.raises(errors.EngineUnavailable, match="other settings"):
        submit(foreign, says("x"), model="foreign")
    with pytest.raises(errors.EngineUnavailable, match="other settings"):
        foreign.load("foreign")
    foreign.stop()
    engine.stop()


def test_the_next_table_of_a_gateway_is_followed_and_the_old_one_still_served(first: LaunchSpec) -> None:
    before = table_of([first, other_of(first, "second")])
    old = running(before)
    changed = other_of(first, "second", argv=(*first.argv, "--tokens", "3"))
    after = dataclasses.replace(table_of([first, changed, other_of(first, "new")]), previous=(before.fingerprint,))
    new = Engine(after)
    assert answer(submit(new, "go on", model="second"))
    assert answer(submit(new, says("new"), model="new")) == "new"
    assert answer(submit(old, says("old one"), model="second")) == "old one"
    old.stop()
    new.stop()


def test_limits_of_the_gateway_are_those_of_the_newest_table(first: LaunchSpec) -> None:
    old = running(table_of([first]))
    new = Engine(table_of([dataclasses.replace(first, queue_limit=1, swap_after_s=7.0)]))
    new.start()
    wait_for(lambda: new.status()["swap_after_s"] == 7.0)
    jobs = [submit(new, LONG, "first")]
    wait_for(lambda: new.status()["running"] is not None)
    jobs.append(submit(old, LONG, "second"))
    with pytest.raises(errors.QueueFull):
        submit(new, LONG, "third")
    for job in jobs:
        job.close()
    old.stop()
    new.stop()


def test_a_command_leaves_the_limits_to_the_gateway(first: LaunchSpec) -> None:
    """The settings of a terminal may be others; both have the same launches, because limits are no part of them."""
    limited = dataclasses.replace(first, queue_limit=1, swap_after_s=7.0)
    gateway = running(table_of([limited, other_of(limited, "second")]))
    command = Engine(table_of([first, other_of(first, "second")]), is_command=True)
    command.start()
    wait_for(lambda: command.status()["state"] == "ready")
    assert answer(submit(command, says("both"), model="second")) == "both"
    assert command.status()["swap_after_s"] == 7.0
    jobs = [submit(command, LONG, "running", model="second")]
    wait_for(lambda: command.status()["running"] is not None)
    jobs.append(submit(gateway, LONG, "waiting"))
    with pytest.raises(errors.QueueFull):
        submit(command, LONG, "too many")
    for job in jobs:
        job.close()
    command.stop()
    gateway.stop()


def test_a_program_of_a_new_entry_that_another_process_holds_is_refused_with_its_name(
    first: LaunchSpec, tmp_path: Path
) -> None:
    from bpu.engine.file_locks import try_lock

    engine = running(table_of(first))
    program = tmp_path / "another.lock"
    lock = try_lock(program, create=True)
    held = other_of(first, "held", lock_path=str(program))
    after = dataclasses.replace(table_of([first, held]), previous=(table_of(first).fingerprint,))
    new = Engine(after)
    with pytest.raises(errors.EngineUnavailable, match="The model is held by"):
        submit(new, says("x"), model="held")
    assert answer(submit(new, says("the others go on"))) == "the others go on"
    assert lock is not None
    lock.close()
    assert answer(submit(new, says("free now"), model="held")) == "free now"
    assert try_lock(program) is None, "the keeper holds it from now on"
    new.stop()
    engine.stop()


@pytest.mark.parametrize(
    "change",
    [
        {"launch": "{}"},
        {"launch": 7},
        {"launch": "x" * 60_000},
        {"fingerprint": "0" * 16},
        {"previous": "all"},
        {"previous": [{}]},
        {"table": []},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_launch_that_is_none_costs_its_own_connection(
    first: LaunchSpec, tmp_path: Path, change: dict[str, Any]
) -> None:
    table = table_of(first)
    engine = running(table)
    wrong = other_of(first, "second")
    named = {"fingerprint": wrong.fingerprint, "launch": wrong.text, "table": "", "previous": [table.fingerprint]}
    for op in ("attach", "model", "job", "load"):
        sock = protocol.connect(tmp_path)
        assert sock is not None
        protocol.send_packet(sock, {"op": op, **named, **change})
        assert answer(submit(engine, says("still here"), f"after-{op}")) == "still here"
        sock.close()
    assert engine.status()["loads"] == 1
    engine.stop()


def test_a_launch_of_another_state_folder_is_not_taken_in(first: LaunchSpec, tmp_path: Path) -> None:
    table = table_of(first)
    engine = running(table)
    elsewhere = other_of(first, "second", state_dir=str(tmp_path / "elsewhere"))
    sock = protocol.connect(tmp_path)
    assert sock is not None
    named = {"fingerprint": elsewhere.fingerprint, "launch": elsewhere.text, "table": "", "previous": []}
    protocol.send_packet(sock, {"op": "load", **named, "previous": [table.fingerprint]})
    assert answer(submit(engine, says("still here"))) == "still here"
    with pytest.raises(protocol.Closed):
        protocol.receive_packet(sock)
    sock.close()
    engine.stop()
