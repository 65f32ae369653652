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
        "Install, enable and start the service, and wait until it serves. Settings of this terminal that differ from "
        "the defaults are named and written to /etc/bpu/bpu.env; what cannot work is refused. Needs root, unless with "
        "--dry-run.\n\n"
        "Example: {bpu} service install --dry-run",
        "安装、启用并启动服务，并等待它就绪。当前终端中与默认值不同的设置会列出并写入 /etc/bpu/bpu.env；"
        "无法工作的设置会被拒绝。需要 root，加 --dry-run 时不需要。\n\n"
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
    "yes": (
        "Copy the settings file of the user who called sudo without asking.",
        "不询问，直接复制 sudo 调用者的设置文件。",
    ),
    "callers_file": ("Settings of the user who called sudo, in {path}:", "sudo 调用者的设置（{path}）："),
    "copy": ("Copy them to /etc/bpu/bpu.env?", "复制到 /etc/bpu/bpu.env？"),
    "taken": ("Setting {name}={value} (from: {source})", "设置 {name}={value}（来自：{source}）"),
    "starting": ("The service is starting", "服务正在启动"),
    "serves": ("It serves, at:", "服务已就绪，地址："),
    "ended": ("The service has ended ({state}).", "服务已退出（{state}）。"),
    "silent": ("The service does not answer at {bind}.", "服务在 {bind} 上没有响应。"),
    "not_serving": (
        "The service is installed, but does not serve: {reason} {bpu} doctor looks for the cause.",
        "服务已安装，但无法提供服务：{reason} 请运行 {bpu} doctor 查找原因。",
    ),
    "purge": ("Remove the settings and keys in /etc/bpu, too.", "同时删除 /etc/bpu 中的设置和密钥。"),
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
    "avahi_stale": (
        "{file} announces what the settings no longer say. Write it again with: {sudo_bpu} service install",
        "{file} 公布的内容与当前设置不符。请重新写入：{sudo_bpu} service install",
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
