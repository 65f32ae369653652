"""The running gateway loses its files or its keeper: `/ready` says so, and the service heals without a restart."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from bpu.engine.keeper.orphans import read_process
from bpu.engine.protocol import SOCKET_NAME
from tests.live.gateway import ROOT, Gateway, sim
from tests.live.scripted import scripted
from tests.support.waits import until

CHAT = "/v1/chat/completions"
#: Enough looks that both workers answer some of them.
LOOKS = 12


def ask(gateway: Gateway) -> int:
    body = {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": "Hello"}]}
    return gateway.request("POST", CHAT, body)[0]


def look(gateway: Gateway) -> tuple[int, int]:
    """What `/ready` says, and what a request gets straight after it."""
    return gateway.request("GET", "/ready")[0], ask(gateway)


def is_healed(gateway: Gateway) -> bool:
    """Whether both workers say that they are ready, and are; a worker that says so wrongly fails the test."""
    looks = [look(gateway) for _ in range(LOOKS)]
    assert [one for one in looks if one[0] == 200 and one[1] != 200] == []
    return set(looks) == {(200, 200)}


def assert_true(looks: list[tuple[int, int]]) -> None:
    assert (200, 200) in looks
    assert [one for one in looks if one[0] == 200 and one[1] != 200] == []


def delete_folder(gateway: Gateway) -> None:
    """Delete the state folder; its name goes first, because the keeper may put its socket into it at any moment."""
    nameless = gateway.state_dir.rename(tempfile.mkdtemp(dir=gateway.state_dir.parent))
    shutil.rmtree(nameless, ignore_errors=True)


def replace_folder(gateway: Gateway) -> bool:
    """Put a file in the place of the state folder; False when the keeper has made the folder again before that."""
    delete_folder(gateway)
    try:
        gateway.state_dir.write_text("")
    except IsADirectoryError:
        return False
    return True


def delete_socket(gateway: Gateway) -> None:
    (gateway.state_dir / SOCKET_NAME).unlink()


def replace_socket(gateway: Gateway) -> None:
    """Another file takes the socket's place, as a restored backup has it."""
    delete_socket(gateway)
    (gateway.state_dir / SOCKET_NAME).write_text("")


@pytest.mark.parametrize("lose", [delete_folder, delete_socket, replace_socket])
def test_5_files_that_are_lost_are_made_again_and_ready_is_true_meanwhile(
    start: Callable[..., Gateway], lose: Callable[[Gateway], None]
) -> None:
    gateway = start(workers=2, reuse_port=True).wait_for_workers()
    (keeper,) = gateway.keepers()
    for _ in range(2):
        lose(gateway)
        assert_true([look(gateway) for _ in range(LOOKS)])
        until(lambda: (gateway.state_dir / SOCKET_NAME).is_socket(), what="the socket is there again")
    assert gateway.keepers() == [keeper], "the same keeper has made its socket again"
    assert gateway.loads() == (1, {})


def test_5_a_file_in_the_place_of_the_folder_is_not_ready_and_heals(start: Callable[..., Gateway]) -> None:
    gateway = start(workers=2, reuse_port=True).wait_for_workers()
    until(lambda: replace_folder(gateway), what="a file is in the place of the folder")
    assert {gateway.request("GET", "/ready")[0] for _ in range(LOOKS)} == {503}
    assert ask(gateway) == 503
    gateway.state_dir.unlink()
    until(lambda: is_healed(gateway), what="it serves again")


def test_5_lost_files_end_no_answer_that_is_under_way(start: Callable[..., Gateway]) -> None:
    gateway = start(workers=2, reuse_port=True).wait_for_workers()
    running = gateway.stream(sim(tokens=60, rate=60)).until_text()
    delete_folder(gateway)
    assert ask(gateway) == 200
    answer = running.read_to_end()
    assert (answer.finish, answer.error) == ("stop", None)


@pytest.mark.parametrize("number", [signal.SIGCONT, signal.SIGKILL], ids=["goes on", "is killed"])
def test_5_a_stopped_keeper_is_not_ready_and_heals(start: Callable[..., Gateway], number: int) -> None:
    gateway = start(workers=2, reuse_port=True).wait_for_workers()
    (keeper,) = gateway.keepers()
    keeper.send_signal(signal.SIGSTOP)
    until(lambda: keeper.status() == psutil.STATUS_STOPPED)
    try:
        for _ in range(LOOKS):
            status, headers, data = gateway.request("GET", "/ready")
            assert (status, f"kill -CONT {keeper.pid}" in data.decode()) == (503, True)
            assert headers["Retry-After"]
        assert {ask(gateway) for _ in range(LOOKS)} == {503}
        assert gateway.request("GET", "/health")[0] == 200
    finally:
        keeper.send_signal(number)
    until(lambda: is_healed(gateway), what="it serves again")


def test_5_a_keeper_that_cannot_be_started_is_not_ready_and_heals(start: Callable[..., Gateway]) -> None:
    gateway = start(workers=2, reuse_port=True).wait_for_workers()
    (keeper,), lock = gateway.keepers(), gateway.state_dir / "start.lock"
    lock.unlink()
    lock.mkdir()
    keeper.kill()
    keeper.wait(10)
    looks = [look(gateway) for _ in range(LOOKS)]
    assert [one for one in looks if one[0] == 200 and one[1] != 200] == []
    assert looks[-1] == (503, 503)
    lock.rmdir()
    until(lambda: is_healed(gateway), what="it serves again")


def test_9_the_console_of_a_wrapper_is_ended_by_whoever_comes_next(
    start: Callable[..., Gateway], tmp_path: Path
) -> None:
    settings = without_exec(tmp_path)
    gateway = start(workers=2, reuse_port=True, env=settings)
    (keeper,), (console,) = gateway.keepers(), gateway.consoles()
    known: Any = read_process(console.pid)
    os.kill(keeper.pid, signal.SIGKILL)
    until(lambda: is_healed(gateway), what="it serves again")
    assert not known.is_alive
    (new,) = gateway.consoles()
    assert read_process(new.pid) != known
    assert gateway.keepers() != [keeper]


def test_9_an_orphan_of_a_gateway_that_is_gone_is_ended_by_the_next_gateway(
    start: Callable[..., Gateway], tmp_path: Path
) -> None:
    settings = without_exec(tmp_path)
    first = start(env=settings)
    (keeper,), (console,), workers = first.keepers(), first.consoles(), first.workers()
    orphan: Any = read_process(console.pid)
    console.suspend()  # one that hangs: else it ends by itself with its input
    for process in (psutil.Process(first.process.pid), *workers, keeper):
        process.kill()
    first.process.wait(10)
    assert orphan.is_alive, "its parent was the wrapper"
    second = start(env=settings)
    assert ask(second) == 200
    assert not orphan.is_alive


def without_exec(folder: Path) -> dict[str, str]:
    """Settings for a console behind a shell script that stays its parent."""
    settings = scripted(folder)
    script = Path(settings["BPU_CONSOLE"])
    text = script.read_text()
    assert "exec " in text
    script.write_text(text.replace("exec ", "") + "exit $?\n")
    assert str(ROOT) in text
    return settings
