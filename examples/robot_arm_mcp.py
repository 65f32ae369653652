"""Serves the simulated arm of robot_arm.py as tools for agents by MCP, for example OpenClaw.

    python examples/robot_arm_mcp.py LOG        # over standard input and output, as agents start it

Needs the package `mcp`. An agent confirms tools in its own way; the limits and the check of every call are those of
robot_arm.py. Movements are written into the file LOG, which stands for the arm.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from robot_arm import Arm, Call, Unsafe, do, plan


def server(arm: Arm) -> MCPServer:
    """Make the server with the tools of one arm."""
    made: MCPServer = MCPServer("arm", log_level="WARNING")

    def carry_out(name: str, **arguments: object) -> str:
        try:
            (step,) = plan(arm, [Call("", name, json.dumps(arguments))])
            return do(arm, step)
        except Unsafe as error:
            raise ToolError(str(error)) from error

    @made.tool(structured_output=False)
    def move_to(place: str) -> str:
        """Move the arm to a thing or a place: water, table, user or home."""
        return carry_out("move_to", place=place)

    @made.tool(structured_output=False)
    def grasp(thing: str) -> str:
        """Grasp the thing that the arm has been moved to."""
        return carry_out("grasp", thing=thing)

    return made


def main() -> None:
    with Path(sys.argv[1]).open("a", encoding="utf-8", buffering=1) as log:
        server(Arm(execute=True, say=lambda words: print(words, file=log))).run()


if __name__ == "__main__":
    main()
