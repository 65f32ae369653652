"""A few cells of `python -m tests.attack`: what an attacker makes the model say reaches no other client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack.cells import Result, run_cell
from tests.attack.kinds import Cell
from tests.witness.program import compile_console


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return compile_console(tmp_path_factory.mktemp("console"))
    except FileNotFoundError as error:
        pytest.skip(str(error))


def attacked(kind: str, compiled: Path, folder: Path, **chosen: object) -> Result:
    fixed = {"profile": "oellm_run", "rate": 40.0, "jobs": 5, "workers": 2, "settle": False}
    return run_cell(Cell(kind, **{**fixed, **chosen}), compiled, folder, seconds=30)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["chain", "forged-middle", "marker", "silent-guessed"])
def test_no_client_gets_what_another_made_the_model_say(kind: str, compiled: Path, tmp_path: Path) -> None:
    result = attacked(kind, compiled, tmp_path)
    assert result.jobs == 5
    assert result.broken == [], result.examples


@pytest.mark.long
@pytest.mark.parametrize("kind", ["chats-fence", "fence-alone"])
def test_chats_that_go_on_between_attackers_are_whole(kind: str, compiled: Path, tmp_path: Path) -> None:
    result = attacked(kind, compiled, tmp_path, profile="oellm_multichat")
    assert (result.broken, result.attackers) == ([], 2), result.examples


@pytest.mark.long
def test_lines_of_a_log_that_a_model_says_are_words_of_its_answer(compiled: Path, tmp_path: Path) -> None:
    result = attacked("talk-logs", compiled, tmp_path, jobs=4)
    assert (result.jobs, result.broken) == (4, []), result.examples


@pytest.mark.long
def test_a_thread_that_never_rests_costs_a_few_loads_and_no_answer(compiled: Path, tmp_path: Path) -> None:
    result = attacked("heartbeat", compiled, tmp_path, stats="none", jobs=8)
    assert (result.jobs, result.broken) == (8, []), result.examples


@pytest.mark.long
def test_an_answer_that_says_the_prompt_is_whole_at_a_slow_pace(compiled: Path, tmp_path: Path) -> None:
    result = attacked("prompt-middle", compiled, tmp_path, rate=3.7, jobs=3, stats="none")
    assert (result.broken, result.attackers_cut) == ([], 0), result.examples


@pytest.mark.long
def test_what_a_model_says_is_not_open_without_a_key(compiled: Path, tmp_path: Path) -> None:
    result = attacked("logs", compiled, tmp_path, jobs=1)
    assert (result.broken, result.attackers) == ([], 1), result.examples
