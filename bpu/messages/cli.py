"""Texts of the command line itself."""

from __future__ import annotations

TEXTS = {
    "about": (
        "Make the board's BPU answer as an OpenAI server, and look after the board.",
        "让开发板的 BPU 成为兼容 OpenAI 的服务器，并管理开发板。",
    ),
    "unknown_command": (
        "There is no command {name!r}. `python -m bpu --help` lists all commands.",
        "没有名为 {name!r} 的命令。运行 `python -m bpu --help` 查看全部命令。",
    ),
    "did_you_mean": (
        "There is no command {name!r}. Did you mean {guess!r}?",
        "没有名为 {name!r} 的命令。您想用的是 {guess!r} 吗？",
    ),
    "error": ("Error: {message}", "错误：{message}"),
    "version": ("rdk-bpu-gateway {version}", "rdk-bpu-gateway {version}"),
}
