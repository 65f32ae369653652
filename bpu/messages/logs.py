"""Texts of `bpu logs`."""

from __future__ import annotations

TEXTS = {
    "help": ("Show the service's log.", "查看服务的日志。"),
    "about": (
        "Show the last lines of the service's log, from the journal. Needs no root where your user may read the "
        "journal.\n\nExample: {bpu} logs -f",
        "显示服务日志（journal）的最后若干行。如果当前用户有权读取 journal，则不需要 root。\n\n示例：{bpu} logs -f",
    ),
    "follow": ("Go on with what comes.", "持续显示新的日志。"),
    "lines": ("How many lines.", "行数。"),
    "no_service": (
        "The service is not installed, so it has no log; a gateway that was started by hand writes to its terminal. "
        "Install it with: {sudo_bpu} service install",
        "服务未安装，因此没有日志；手动启动的网关把日志写到它的终端。安装服务：{sudo_bpu} service install",
    ),
}
