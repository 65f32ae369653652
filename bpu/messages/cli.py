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
    "libraries": (
        "{python} does not have the library {name!r}. The project's own Python has it: .venv/bin/python -m bpu, "
        "after `make setup`.",
        "{python} 缺少软件包 {name!r}。请先运行 `make setup`，再使用项目自己的 Python：.venv/bin/python -m bpu。",
    ),
    "did_you_mean": (
        "There is no command {name!r}. Did you mean {guess!r}?",
        "没有名为 {name!r} 的命令。您想用的是 {guess!r} 吗？",
    ),
    "version_help": ("Show the version and exit.", "显示版本号后退出。"),
    "env_file": (
        "File of BPU_ variables; by default the service's, /etc/bpu/bpu.env. What is set already wins.",
        "含 BPU_ 变量的文件；默认为服务的 /etc/bpu/bpu.env。已设置的环境变量优先。",
    ),
    "env_unreadable": (
        "The service's settings in {path} cannot be read ({reason}); only those of this terminal hold.",
        "无法读取服务的设置 {path}（{reason}）；仅使用当前终端的设置。",
    ),
    "env_line": (
        "{path}, line {number}: this is not NAME=VALUE with closed quotation marks. Correct it.",
        "{path} 第 {number} 行：不是引号完整的 NAME=VALUE。请改正。",
    ),
    "error": ("Error: {message}", "错误：{message}"),
    "meaning": ("{meaning} ({message})", "{meaning}。\n原文：{message}"),
    "version": ("rdk-bpu-gateway {version}", "rdk-bpu-gateway {version}"),
}
