"""Runs the process for images; `bpu.images.reader` starts it."""

from __future__ import annotations

from bpu.images.process import main

main()
