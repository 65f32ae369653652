"""The example as a module, and an arm that moves and says nothing."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from tests.live.gateway import ROOT

sys.path.append(str(ROOT / "examples"))
robot: Any = importlib.import_module("robot_arm")


def arm(**fields: Any) -> Any:
    return robot.Arm(**{"execute": True, "say": lambda words: None, **fields})


def fetch(client: Any, request: str, mover: Any, **more: Any) -> str:
    """Send a request whose plans are all confirmed."""
    return str(robot.fetch(client, request, mover, **{"approve": lambda steps: True, **more}))
