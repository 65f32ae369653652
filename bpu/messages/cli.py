"""Texts of the command line itself."""

from __future__ import annotations

TEXTS = {
    "about": (
        "Make the board's BPU answer as an OpenAI server, and look after the board.",
        "让开发板的 BPU 成为兼容 OpenAI 的服务器，并管理开发板。",
    ),
    "unknown_command": (
        "There is no command {name!r}. `{bpu} --help` lists all commands.",
        "没有名为 {name!r} 的命令。运行 `{bpu} --help` 查看全部命令。",
    ),
    "libraries": (
        "{python} does not have the library {name!r}. Run instead: {own} (it is made by `make setup` in {project})",
        "{python} 缺少软件包 {name!r}。请改为运行：{own}（由 {project} 中的 `make setup` 创建）",
    ),
    "broken_package": (
        "{python} does not have the library {name!r}, so the installation is damaged. Install the package again.",
        "{python} 缺少软件包 {name!r}，安装已损坏。请重新安装软件包。",
    ),
    "did_you_mean": (
        "There is no command {name!r}. Did you mean {guess!r}?",
        "没有名为 {name!r} 的命令。您想用的是 {guess!r} 吗？",
    ),
    "version_help": ("Show the version and exit.", "显示版本号后退出。"),
    "env_file": (
        "File of BPU_ variables instead of the one that `config path` names. What is set already wins.",
        "含 BPU_ 变量的文件，代替 `config path` 所示的文件。已设置的环境变量优先。",
    ),
    "env_line": (
        "{path}, line {number}: this is not NAME=VALUE with closed quotation marks. Correct it.",
        "{path} 第 {number} 行：不是引号完整的 NAME=VALUE。请改正。",
    ),
    "error": ("Error: {message}", "错误：{message}"),
    "meaning": ("{meaning} ({message})", "{meaning}。\n原文：{message}"),
    "version": ("rdk-bpu-gateway {version}", "rdk-bpu-gateway {version}"),
}
