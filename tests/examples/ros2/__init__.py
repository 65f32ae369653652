"""The ROS 2 node of the examples. Importing this makes its package importable; it needs the standard library alone."""

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[3] / "examples" / "ros2" / "bpu_chat"
if str(PACKAGE) not in sys.path:
    sys.path.append(str(PACKAGE))
