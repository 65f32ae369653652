"""The example as a module, and an arm that moves and says nothing."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from tests.live.gateway import ROOT

_SPEC = importlib.util.spec_from_file_location("robot_arm", ROOT / "examples" / "robot_arm.py")
assert _SPEC is not None
assert _SPEC.loader is not None
robot: Any = importlib.util.module_from_spec(_SPEC)
sys.modules["robot_arm"] = robot
_SPEC.loader.exec_module(robot)


def arm(**fields: Any) -> Any:
    return robot.Arm(execute=True, say=lambda words: None, **fields)
