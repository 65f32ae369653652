"""Texts of `bpu service`."""

from __future__ import annotations

TEXTS = {
    "help": ("Install the gateway as a service.", "把网关安装为系统服务。"),
    "about": (
        "Let systemd run the gateway: from the start of the board, and again after a failure. Logs go to the "
        "journal, settings come from /etc/bpu/bpu.env. install and remove need root, unless with --dry-run.\n\n"
        "Example: {sudo_bpu} service install",
        "由 systemd 运行网关：开机启动，失败后自动重启。日志进入 journal，设置来自 /etc/bpu/bpu.env。"
        "install 和 remove 需要 root，加 --dry-run 时不需要。\n\n"
        "示例：{sudo_bpu} service install",
    ),
    "install": (
        "Install, enable and start the service, for this folder and this Python. Settings that are there already "
        "stay. Needs root, unless with --dry-run.\n\n"
        "Example: {bpu} service install --dry-run",
        "为当前目录和当前 Python 安装、启用并启动服务。已有的设置会保留。需要 root，加 --dry-run 时不需要。\n\n"
        "示例：{bpu} service install --dry-run",
    ),
    "remove": (
        "Stop the service and remove it; the settings stay. Needs root, unless with --dry-run.\n\n"
        "Example: {sudo_bpu} service remove",
        "停止并删除服务，保留设置。需要 root，加 --dry-run 时不需要。\n\n示例：{sudo_bpu} service remove",
    ),
    "status": (
        "Say whether the service runs. The exit code is 0 when it does, 3 when it does not, 4 when it is not "
        "installed. Needs no root.\n\n"
        "Example: {bpu} service status",
        "查看服务是否在运行。退出码：运行中为 0，未运行为 3，未安装为 4。不需要 root。\n\n示例：{bpu} service status",
    ),
    "user": ("User that runs the gateway; it must be allowed to use the BPU.", "运行网关的用户，必须有权使用 BPU。"),
    "performance": (
        "Install the service for performance mode, too.",
        "同时安装性能模式服务。",
    ),
    "no_start": ("Enable it, but start it only with the board.", "只启用，等下次开机再启动。"),
    "purge": ("Remove /etc/bpu/bpu.env, too.", "同时删除 /etc/bpu/bpu.env。"),
    "dry_run": ("Show what would be done, and do nothing.", "只显示将要做的事，不做任何改动。"),
    "root": (
        "Write below this folder instead of /, and run no systemctl; for images.",
        "写到该目录之下而不是 /，也不运行 systemctl；用于制作系统镜像。",
    ),
    "would": ("This would be done:", "将会执行："),
    "write": ("Write {path}", "写入 {path}"),
    "keep": ("Keep {path} as it is", "保留 {path}，不做改动"),
    "remove_file": ("Remove {path}", "删除 {path}"),
    "run": ("Run {command}", "运行 {command}"),
    "installed": (
        "Installed. Settings: {file}. Log: journalctl -u bpu-gateway -f",
        "已安装。设置文件：{file}。日志：journalctl -u bpu-gateway -f",
    ),
    "removed": ("Removed.", "已删除。"),
    "nothing": ("Nothing is installed.", "没有安装任何服务。"),
    "absent": (
        "The service is not installed. Install it with: {sudo_bpu} service install",
        "服务未安装。请运行：{sudo_bpu} service install",
    ),
    "state": ("bpu-gateway is {state}, pid {pid}, {boot}.", "bpu-gateway 状态：{state}，pid {pid}，{boot}。"),
    "enabled": ("started with the board", "开机启动"),
    "disabled": ("not started with the board", "不随开机启动"),
    "logs": ("Its log: journalctl -u bpu-gateway -n 50", "查看日志：journalctl -u bpu-gateway -n 50"),
    "no_user": (
        "There is no user {name!r}. Name one that exists, or make it with: sudo useradd --system {name}",
        "没有用户 {name!r}。请指定已有的用户，或用此命令创建：sudo useradd --system {name}",
    ),
    "needs_root": (
        "Only root may install or remove a service. Run it again as: {command}",
        "只有 root 能安装或删除服务。请这样重新运行：{command}",
    ),
    "odd_path": (
        "The path {path} holds blanks, quotation marks, % or $, which a unit cannot name. Move the folder.",
        "路径 {path} 含有空格、引号、% 或 $，systemd 无法使用。请移动该目录。",
    ),
    "failed": ("{command} failed: {reason}", "{command} 执行失败：{reason}"),
    "no_write": ("{path} cannot be changed: {reason}.", "无法修改 {path}：{reason}。"),
}
