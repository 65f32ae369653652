"""A probe runs turns on a console of its own, the real simulator, and says what failed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bpu.console.events import Stats
from bpu.engine.client.launch_config import build_launch_spec
from bpu.engine.client.probe import OutOfTurn, Probe, ProbeFailed, ProbeRefused, Silent, Turn
from bpu.engine.file_locks import try_lock
from bpu.settings import load_settings
from tests.unit.engine.jobs import says

pytestmark = pytest.mark.live

Make = Callable[..., Probe]
SILENCE_S = 20.0


@pytest.fixture
def probe_of(tmp_path: Path) -> Make:
    def make(options: str = "", profile: str = "auto", **changes: float) -> Probe:
        arguments = f"--speed max --decode-rate 140 --load-seconds 0 {options}".split()
        settings = load_settings(
            engine="simulator", state_dir=tmp_path, data_dir=tmp_path / "data", console_args=arguments,
            console_profile=profile, **changes,
        )  # fmt: skip
        tmp_path.mkdir(exist_ok=True)
        return Probe(build_launch_spec(settings))

    return make


def test_a_turn_is_measured_and_the_chat_is_kept_until_a_reset(probe_of: Make) -> None:
    with probe_of() as probe:
        assert (probe.profile.name, "多轮" in probe.banner) == ("xlm_demo", True)
        turn = probe.ask(says("Yes.").encode(), silence_s=SILENCE_S)
        assert turn.text.endswith("Yes.")
        assert turn.echo.startswith("<｜begin▁of▁sentence｜>")
        assert turn.first_s is not None
        assert 0 < turn.first_s <= turn.total_s
        assert turn.decode_rate == turn.stats.decode_per_second
        probe.ask(b"My name is Zo.", silence_s=SILENCE_S)
        assert "Zo" in probe.ask(b"What is my name?", silence_s=SILENCE_S).text
        probe.reset()
        assert "Zo" not in probe.ask(b"What is my name?", silence_s=SILENCE_S).text
        assert probe.has_unsolicited_output(0.1) is False


def test_a_restart_is_another_process_that_knows_nothing(probe_of: Make) -> None:
    with probe_of("--reset broken") as probe:
        probe.ask(b"My name is Zo.", silence_s=SILENCE_S)
        first = probe.pid
        probe.restart()
        assert probe.pid != first
        assert "Zo" not in probe.ask(b"What is my name?", silence_s=SILENCE_S).text


def test_while_it_runs_no_second_model_is_loaded(probe_of: Make) -> None:
    with probe_of() as probe, pytest.raises(ProbeRefused) as caught, probe_of():
        pass
    assert str(Path(f"/proc/{probe.pid}")) not in caught.value.holder
    assert "A model is loaded already, by " in caught.value.message
    with probe_of() as again:  # and its lock is free afterwards
        assert again.ask(b"hello", silence_s=SILENCE_S).text


def test_a_lock_that_another_process_holds_is_not_waited_for(probe_of: Make, tmp_path: Path) -> None:
    lock = try_lock(tmp_path / "simulator.lock", create=True)
    assert lock is not None
    with pytest.raises(ProbeRefused), probe_of():
        pass
    lock.close()


def test_silence_and_a_turn_that_is_too_long_are_failures(probe_of: Make) -> None:
    with probe_of() as probe, pytest.raises(Silent, match=r"Nothing came for 0\.3 seconds"):
        probe.ask(b"[[sim fault=hang@decode after=3]] hello", silence_s=0.3)
    with probe_of() as probe, pytest.raises(Silent, match=r"not over within 0\.5 seconds"):
        probe.ask(b"[[sim tokens=9999 rate=50]]", silence_s=SILENCE_S, limit_s=0.5)


def test_a_console_that_ends_is_explained_by_its_exit(probe_of: Make) -> None:
    with probe_of() as probe, pytest.raises(ProbeFailed) as caught:
        probe.ask(b"[[sim fault=signal=SEGV@decode after=3]] hello", silence_s=SILENCE_S)
    assert "SIGSEGV" in caught.value.message


def test_a_load_that_fails_names_its_cause_and_leaves_the_lock_free(probe_of: Make) -> None:
    with pytest.raises(ProbeFailed) as caught, probe_of("--fault no-memory@load"):
        pass
    assert "memory" in caught.value.message
    assert caught.value.cause
    with probe_of() as probe:
        assert probe.ask(b"hello", silence_s=SILENCE_S).text


def test_output_after_the_end_of_a_turn_is_noticed(probe_of: Make) -> None:
    with probe_of() as probe:
        probe.ask(b"[[sim fault=late-tokens@idle:3]] hello", silence_s=SILENCE_S)
        with pytest.raises(OutOfTurn):
            probe.has_unsolicited_output(SILENCE_S)


@pytest.mark.parametrize(
    ("turn", "rate"),
    [
        (Turn(stats=Stats(decode_per_second=17.0), pieces=9, first_s=1.0, total_s=3.0), 17.0),
        (Turn(pieces=9, first_s=1.0, total_s=3.0), 4.0),
        (Turn(pieces=1, first_s=1.0, total_s=3.0), None),
        (Turn(pieces=9, first_s=3.0, total_s=3.0), None),
    ],
)
def test_the_rate_is_the_console_s_own_figure_else_that_of_the_pieces(turn: Turn, rate: float | None) -> None:
    assert turn.decode_rate == rate
