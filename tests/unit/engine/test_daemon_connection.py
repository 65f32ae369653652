"""Workers reach a keeper again after its socket or state folder was deleted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bpu.engine import protocol
from bpu.engine.client import daemon_connection
from bpu.engine.client.engine import Engine
from bpu.engine.file_locks import SLOT_NAME
from bpu.errors import EngineStopping
from tests.unit.engine.jobs import EngineOf, answer, says, submit, wait_for

pytestmark = pytest.mark.live


def test_a_deleted_socket_is_made_again_by_the_same_keeper(engine_of: EngineOf, tmp_path: Path) -> None:
    engine = engine_of()
    keeper = wait_for(lambda: engine.status()["keeper_pid"])
    assert answer(submit(engine, says("before"), "before")) == "before"
    (tmp_path / protocol.SOCKET_NAME).unlink()
    for number in range(3):  # the first may use a connection from before
        assert answer(submit(engine, says("after"), f"after-{number}")) == "after"
    assert (engine.status()["keeper_pid"], engine.status()["loads"]) == (keeper, 1)


def test_a_deleted_state_folder_is_made_again(engine_of: EngineOf, tmp_path: Path) -> None:
    engine = engine_of()
    assert answer(submit(engine, says("before"), "before")) == "before"
    shutil.rmtree(tmp_path)
    for number in range(3):
        assert answer(submit(engine, says("after"), f"after-{number}")) == "after"
    assert wait_for(lambda: engine.is_reachable)


def test_the_lifeline_survives_an_error_while_a_keeper_is_looked_for(
    engine_of: EngineOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError(12, "Cannot allocate memory"), ValueError("no JSON"), OSError(24, "Too many open files")]
    find = daemon_connection.DaemonClient._find

    def fail_at_first(self: daemon_connection.DaemonClient) -> object:
        if failures:
            raise failures.pop()
        return find(self)

    monkeypatch.setattr(daemon_connection.DaemonClient, "_find", fail_at_first)
    engine = engine_of()
    wait_for(lambda: engine.status()["state"] == "ready")
    assert answer(submit(engine, says("served"))) == "served"


def test_5_a_slot_that_cannot_be_opened_is_not_ready_and_its_error_names_the_remedy(
    engine_of: EngineOf, tmp_path: Path
) -> None:
    engine = engine_of()
    assert answer(submit(engine, says("before"), "before")) == "before"
    assert wait_for(lambda: engine.is_reachable)
    slot = tmp_path / SLOT_NAME
    slot.unlink()
    slot.mkdir()
    assert not engine.is_reachable
    with pytest.raises(EngineStopping, match=r"slot cannot be taken.*BPU_STATE_DIR"):
        answer(submit(engine, says("lost"), "lost"))
    slot.rmdir()
    assert engine.is_reachable
    assert answer(submit(engine, says("after"), "after")) == "after"


def test_5_an_error_of_the_socket_names_the_remedy(
    engine_of: EngineOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of()
    assert answer(submit(engine, says("before"), "before")) == "before"
    monkeypatch.setattr(daemon_connection, "SOCKET_LIMIT_S", 0.0)
    monkeypatch.setattr(protocol, "connect", lambda _folder: None)
    with pytest.raises(EngineStopping, match=r"socket is gone\..*BPU_STATE_DIR"):
        serve_two(engine)  # the first may use a connection from before


def serve_two(engine: Engine) -> None:
    for number in range(2):
        answer(submit(engine, says("lost"), f"lost-{number}"))
