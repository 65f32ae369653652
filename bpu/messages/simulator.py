"""Texts of `bpu simulator`."""

from __future__ import annotations

TEXTS = {
    "help": (
        "Run the simulated console program by itself.",
        "单独运行模拟的控制台程序。",
    ),
}
