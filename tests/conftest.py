"""What holds for every test: a plain environment, and no silent skip where the whole suite must run."""

from __future__ import annotations

import os
import tempfile

from hypothesis import settings

from tests.support.skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]

# A developer's own settings and language must change no result, nor must `make` that runs the tests: a second one below
# it would print the folders it enters. Programs that tests start inherit this.
for name in [name for name in os.environ if name.startswith(("BPU_", "MAKE", "MFLAGS"))]:
    del os.environ[name]
os.environ["LC_ALL"] = "C.UTF-8"
os.environ["BPU_SETTINGS_FILE"] = os.devnull
# And no test keeps what it finds out where a gateway of this machine would believe it.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="bpu-tests-")
os.environ["STATE_DIRECTORY"] = f"{os.environ['XDG_STATE_HOME']}/bpu"

#: How many examples a property is tried with. By hand many more: see "Attack inputs" in docs/reliability.md.
settings.register_profile("ours", deadline=None, max_examples=int(os.environ.get("TEST_EXAMPLES", "200")))
settings.load_profile("ours")
