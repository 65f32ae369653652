"""The pretended arm as a tool of other agents, tried with the official client in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters

from tests.live.gateway import ROOT


def test_an_agent_moves_the_arm_within_its_limits(tmp_path: Path) -> None:
    log = tmp_path / "arm.log"
    server = StdioServerParameters(command=sys.executable, args=[str(ROOT / "examples/robot_arm_mcp.py"), str(log)])

    async def run() -> None:
        with anyio.fail_after(60):
            async with Client(server) as client:
                assert sorted(tool.name for tool in (await client.list_tools()).tools) == ["grasp", "move_to"]
                moved = await client.call_tool("move_to", {"place": "水"})
                content: list[Any] = moved.content
                assert content[0].text == "The arm is at water."
                for name, arguments in (
                    ("move_to", {"place": "cellar"}),
                    ("move_to", {"place": "the moon"}),
                    ("move_to", {"place": 5}),
                    ("grasp", {"thing": "a\0b"}),
                    ("grasp", {}),
                ):
                    assert (await client.call_tool(name, arguments)).is_error
                assert not (await client.call_tool("grasp", {"thing": "cup"})).is_error

    anyio.run(run)
    assert log.read_text(encoding="utf-8") == "moving: move_to(water)\nmoving: grasp(cup)\n"
