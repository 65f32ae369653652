"""What ends a turn of a console is shown: by statistics, by a silence of so many seconds, or never for sure."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bpu.board import tools
from tests.live.gateway import ROOT, environment
from tests.support.waits import until
from tests.witness.program import WitnessGateway, compile_console, witness_gateway
from tests.witness.script import do, say, script

WORDS = script(say("one two three four five six seven eight nine ten eleven twelve thirteen fourteen"))

#: Two blocks and a half, at a fast model's pace.
BLOCKS = script(do("rate", 100), do("size", 20), say("y" * 2500))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return compile_console(tmp_path_factory.mktemp("console"))
    except FileNotFoundError as error:
        pytest.skip(str(error))


def doctor_says(gateway: WitnessGateway, folder: Path) -> dict[str, Any]:
    """The doctor's finding about the end of a turn."""
    settings = environment(gateway.port, gateway.state_dir, 1, {"BPU_DATA_DIR": str(folder / "data")})
    command = [sys.executable, "-m", "bpu", "doctor", "--json"]
    report = json.loads(tools.run(command, timeout=60, cwd=ROOT, env=settings).out)
    [finding] = [one for one in report["findings"] if one["check"] == "turn_end"]
    return dict(finding)


@pytest.mark.parametrize(
    ("options", "line", "ended_by", "said", "level"),
    [
        ([], WORDS, "statistics", "at once by its statistics", "fine"),
        (["--stats", "none", "--echo", "line"], WORDS, "silence", "s of silence", "fine"),
        (
            ["--buffer", "1024"],
            BLOCKS,
            "blocks",
            "ended after every answer",
            "warning",
        ),
    ],
)
def test_the_doctor_says_what_ends_a_turn(
    compiled: Path, tmp_path: Path, options: list[str], line: str, ended_by: str, said: str, level: str
) -> None:
    words = ["--rate", "40", "--load-ms", "100", *options]
    with witness_gateway(tmp_path, compiled, program="oellm_run", options=words, workers=1) as gateway:
        gateway.wait_for("ready")
        assert gateway.engine()["turn_end"]["by"] is None

        def ends_so() -> bool:
            """Whether one more turn ends as expected; a busy machine may read an end too late for a proof."""
            gateway.ask(line)
            until(lambda: gateway.engine()["turn_end"]["by"] is not None, what="the end of the turn is known")
            return bool(gateway.engine()["turn_end"]["by"] == ended_by)

        until(ends_so, seconds=60, what=f"a turn that ends by {ended_by}")
        shown = gateway.engine()["turn_end"]
        assert 0.25 <= shown["silence_s"] <= 10
        finding = doctor_says(gateway, tmp_path)
        assert said in finding["said"]
        assert finding["level"] == level
