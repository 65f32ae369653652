"""The gateway starts the console in C under the name of each program, as it starts the program itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.gateway import command
from tests.support.waits import until
from tests.witness.program import witness_gateway

pytestmark = pytest.mark.live


@pytest.mark.parametrize("program", ["oellm_multichat", "vlm", "llm"])
def test_a_program_that_reads_a_file_is_started_with_it(tmp_path: Path, compiled: Path, program: str) -> None:
    with witness_gateway(tmp_path / "gateway", compiled, program=program, workers=1) as gateway:
        until(lambda: gateway.engine().get("state") in ("ready", "busy", "checking"), seconds=60)
        assert gateway.engine()["profile"] == program
        # It may be replaced at any moment, as long as it is being examined.
        config = f"{gateway.state_dir}/{program}.json"
        until(lambda: any(config in command(console) for console in gateway.consoles()))


@pytest.mark.parametrize("program", ["oellm_run", "oellm_multichat", "vlm"])
def test_a_program_whose_source_is_public_is_not_examined(tmp_path: Path, compiled: Path, program: str) -> None:
    with witness_gateway(tmp_path / "gateway", compiled, program=program, workers=1) as gateway:
        gateway.wait_for("ready")
        assert gateway.engine()["trust_source"] == "public"
        assert [event.name for event in gateway.trace()] == ["load"]
