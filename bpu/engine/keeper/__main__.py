"""Run the keeper process; see `bpu.engine.keeper.daemon`."""

from __future__ import annotations

import sys

from bpu.engine.keeper.daemon import main

if __name__ == "__main__":
    sys.exit(main())
