"""The gateway's application on a board whose pools hold 4 GiB, for tests of models that need more."""

from __future__ import annotations

import os
import struct
from functools import partial
from pathlib import Path
from unittest import mock

from bpu.engine.client.launch_config import build_launch_table
from bpu.web import factory

BOARD = Path(os.environ["TEST_SYSFS"])
POOLS = BOARD / "proc" / "device-tree" / "reserved-memory"
for _name in ("ion_reserved", "ion_cma"):
    _folder = POOLS / f"{_name}@100000000"
    _folder.mkdir(parents=True, exist_ok=True)
    (_folder / "reg").write_bytes(struct.pack(">QQ", 1 << 32, 2 << 30))

mock.patch.object(factory, "build_launch_table", partial(build_launch_table, sysfs=BOARD)).start()

from tests.live.recorded import app  # noqa: E402  # after the board is there

__all__ = ["app"]
