"""gunicorn's logger with the gateway's line formats."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger

from bpu.log_format import LEVELLED


class Log(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Applies gunicorn's `--log-level` to the gateway's loggers too.

    It runs in the main thread of gunicorn's master, and in its workers' greenlets.
    """

    def setup(self, cfg: Any) -> None:
        """Configure all loggers; gunicorn calls it at the start and at a reload."""
        super().setup(cfg)
        # The configuration of the formats, which comes last, has set the level of each logger again.
        for name in LEVELLED:
            logging.getLogger(name).setLevel(self.loglevel)
