"""Texts about other programs."""

from __future__ import annotations

TEXTS = {
    "missing_package": (
        "The program {program} is not installed. Install it with: sudo apt install {package}",
        "没有安装程序 {program}。请运行：sudo apt install {package}",
    ),
    "missing": (
        "The program {program} was not found on this system.",
        "在本系统上找不到程序 {program}。",
    ),
    "timeout": (
        "The program {program} did not finish within {seconds:g} seconds and was ended.",
        "程序 {program} 在 {seconds:g} 秒内没有结束，已被终止。",
    ),
    "not_started": (
        "The program {program} could not be started: {reason}.",
        "无法启动程序 {program}：{reason}。",
    ),
}
