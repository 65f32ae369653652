"""Runs the engine over a console in C that shares no code with the simulator."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bpu import errors
from bpu.console.events import Done, Stats, Text
from bpu.engine.client.engine import Engine
from bpu.engine.client.job import Job
from bpu.engine.client.launch_config import SIMULATOR_MODEL, build_launch_spec
from bpu.engine.protocol import notify_shutdown
from bpu.settings import load_settings
from bpu.turn import Turn
from tests.support.waits import until
from tests.unit.engine.conftest import processes
from tests.unit.engine.jobs import wait_for

pytestmark = pytest.mark.live

SOURCE = Path(__file__).parents[2] / "witness" / "console.c"
EngineOf = Callable[..., Engine]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler is installed (apt install gcc libc6-dev)")
    program = tmp_path_factory.mktemp("witness") / "console"
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, "-o", program, SOURCE], check=True)
    return program


@pytest.fixture
def engine_of(compiled: Path, tmp_path: Path) -> Iterator[EngineOf]:
    """Engines over the C console, as an SDK's runtime folder; nothing of them is left afterwards."""
    engines: list[Engine] = []
    runtime = tmp_path / "runtime"

    def begin(*options: str, program: str = "xlm_demo", model: bool = True, **settings: object) -> Engine:
        console = runtime / "bin" / program
        console.parent.mkdir(parents=True)
        shutil.copy(compiled, console)
        (runtime / "model_4096.hbm").write_bytes(b"no model" if model else b"")
        fixed = {
            "engine": "console",
            "runtime_dir": runtime,
            "console": Path("bin") / program,
            "hbm_path": Path("model_4096.hbm"),
            "tokenizer_dir": SIMULATOR_MODEL,
            "template_path": SIMULATOR_MODEL / "DeepSeek_R1_Distill_Qwen_1.5B.jinja",
            "state_dir": tmp_path / "state",
            "data_dir": tmp_path / "data",
            "reset": "command",
            "continue_": "always",
            "console_args": list(options),
        }
        (tmp_path / "state").mkdir(exist_ok=True)
        engines.append(Engine(build_launch_spec(load_settings(**{**fixed, **settings}))))
        engines[-1].start()
        return engines[-1]

    yield begin
    for engine in engines:
        engine.stop()
    notify_shutdown(tmp_path / "state")
    until(lambda: not processes(tmp_path), seconds=30, what="keeper and console are gone")


def submit(engine: Engine, text: str, *, prefix_digest: str = "", digest: str = "") -> Job:
    turn = Turn(
        line=b"whole " + text.encode(),
        tokens=20,
        continuation_line=text.encode(),
        continuation_tokens=5,
        prefix_digest=prefix_digest,
    )
    return engine.submit(turn, job_id=text[:20], conversation_digest=lambda raw: digest)


def answer(job: Job) -> str:
    events = list(job.events(5.0))
    assert isinstance(events[-1], Done)
    return "".join(event.text for event in events if isinstance(event, Text))


def reading(job: Job) -> Iterator[str]:
    return (event.text for event in job.events(5.0) if isinstance(event, Text))


def holding(*lines: str) -> str:
    return f"I hold {len(lines)} lines.\n</think>\n\n{' | '.join(lines)}"


TEXTS = ("hello", "你好，机器人👋", "who says [User] <<< and\\n===== or [Assistant] >>> here?")


@pytest.mark.parametrize("cut", ["0", "1", "7"])
def test_answers_come_whole(engine_of: EngineOf, cut: str) -> None:
    engine = engine_of("--cut", cut)
    for text in TEXTS:
        assert answer(submit(engine, text)) == holding(f"whole {text}")
    assert engine.status()["simulated"] is False
    assert engine.status()["loads"] == 1


@pytest.mark.parametrize("stats", ["line", "colour", "none"])
def test_statistics_are_no_part_of_the_answer(engine_of: EngineOf, stats: str) -> None:
    events = list(submit(engine_of("--stats", stats), "hello").events(5.0))
    assert "".join(event.text for event in events if isinstance(event, Text)) == holding("whole hello")
    assert any(isinstance(event, Stats) for event in events) == (stats != "none")


def test_statistics_of_a_kind_that_this_console_never_prints_are_words_of_the_answer(engine_of: EngineOf) -> None:
    said = answer(submit(engine_of("--stats", "performance"), "hello"))
    assert said.startswith(holding("whole hello") + "\n[Performance] prefill 12 tokens")


def test_log_lines_between_the_pieces_are_no_part_of_the_answer(engine_of: EngineOf) -> None:
    assert answer(submit(engine_of("--noise", "1"), "a few words more")) == holding("whole a few words more")


@pytest.mark.parametrize("token", ["<｜end▁of▁sentence｜>", "<|im_end|>"])
def test_a_leaked_end_token_is_no_part_of_the_answer(engine_of: EngineOf, token: str) -> None:
    assert answer(submit(engine_of("--leak", token), "hello")) == holding("whole hello")


def test_two_turns_of_one_conversation_continue(engine_of: EngineOf) -> None:
    engine = engine_of()
    assert answer(submit(engine, "one", digest="first")) == holding("whole one")
    second = submit(engine, "two", prefix_digest="first", digest="second")
    assert answer(second) == holding("whole one", "two")
    assert second.timing.cached_tokens > 0
    assert engine.status()["loads"] == 1


def test_reset_forgets_and_costs_no_load(engine_of: EngineOf) -> None:
    engine = engine_of()
    answer(submit(engine, "one", digest="first"))
    assert answer(submit(engine, "two", prefix_digest="another chat")) == holding("whole two")
    assert engine.status()["loads"] == 1


def test_a_console_without_history_is_not_reset_and_not_continued(engine_of: EngineOf) -> None:
    engine = engine_of(program="oellm_run", continue_="auto")
    answer(submit(engine, "one", digest="first"))
    assert answer(submit(engine, "two", prefix_digest="first")) == holding("whole two")
    assert engine.status()["loads"] == 1


@pytest.mark.parametrize(("kind", "loads"), [("works", 1), ("broken", 2)])
def test_the_self_test_finds_out_whether_reset_forgets(engine_of: EngineOf, kind: str, loads: int) -> None:
    engine = engine_of("--reset", kind, reset="auto", continue_="auto")
    wait_for(lambda: engine.status()["examined"] == 1 and engine.status()["state"] == "ready")
    before = engine.status()["loads"]
    answer(submit(engine, "secret plans", digest="first"))
    assert answer(submit(engine, "two", prefix_digest="another chat")) == holding("whole two")
    assert engine.status()["loads"] - before == loads - 1


def test_a_job_that_is_left_is_followed_by_the_next(engine_of: EngineOf) -> None:
    engine = engine_of("--rate", "20")
    left = submit(engine, "many words " * 200)
    next(reading(left))
    left.close()
    assert answer(submit(engine, "next")) == holding("whole next")
    with pytest.raises(errors.ClientLeft):
        list(left.events(1.0))


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("segv", errors.EngineCrashed, "SIGSEGV"),
        ("abort", errors.EngineCrashed, "SIGABRT"),
        ("exit", errors.EngineCrashed, "Failed to DoPrefill"),
        ("run-error", errors.EngineCrashed, "run error"),
        ("silent", errors.EngineTimeout, "second"),
        ("endless", errors.EngineCrashed, "does not end"),
    ],
)
def test_a_fault_is_a_typed_error_and_the_next_job_works(
    engine_of: EngineOf, kind: str, error: type[errors.BpuError], words: str
) -> None:
    engine = engine_of("--fault", f"{kind}:zanzibar", first_token_timeout_s=2.0, stall_timeout_s=2.5)
    with pytest.raises(error) as raised:
        list(submit(engine, "to zanzibar").events(5.0))
    assert words in raised.value.message
    assert "zanzibar" not in raised.value.message
    assert answer(submit(engine, "next")) == holding("whole next")


def test_an_option_it_does_not_know_needs_a_person(engine_of: EngineOf) -> None:
    with pytest.raises(errors.EngineUnavailable, match="--no-such-option"):
        list(submit(engine_of("--no-such-option", "1"), "hello").events(5.0))


def test_a_console_that_flushes_nothing_is_heard_piece_by_piece(engine_of: EngineOf) -> None:
    """`stdbuf` reaches it: the first piece is here long before the last could be."""
    engine = engine_of("--rate", "4")
    job = submit(engine, "slowly")
    assert next(reading(job)).strip() == "I"
    assert engine.status()["state"] == "busy"
    job.close()


def test_it_ends_with_the_engine(engine_of: EngineOf, tmp_path: Path) -> None:
    engine = engine_of()
    wait_for(lambda: engine.status()["state"] == "ready")
    console = psutil.Process(engine.status()["console_pid"])
    assert re.search(r"/bin/xlm_demo$", console.exe())
    engine.unload()
    wait_for(lambda: engine.status()["state"] == "stopped")
    assert not console.is_running()
