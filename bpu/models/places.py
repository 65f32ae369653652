"""The folder where what is downloaded or found out is kept."""

from __future__ import annotations

import os
from pathlib import Path

from bpu.settings import Settings

SYSTEM_DATA = Path("/var/lib/bpu")


def data_folder(settings: Settings) -> Path:
    """The data folder; it is made when something is written, and need not be usable.

    The setting of that meaning where there is one, else the folder that systemd made for the service, else
    `/var/lib/bpu` if usable, else `$XDG_STATE_HOME/bpu`.
    """
    if (named := getattr(settings, "data_dir", None)) is not None:
        return Path(named)
    if service := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(service)
    nearest = SYSTEM_DATA if SYSTEM_DATA.exists() else SYSTEM_DATA.parent
    if os.access(nearest, os.W_OK | os.X_OK) and not nearest.is_symlink():
        return SYSTEM_DATA
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "bpu"
