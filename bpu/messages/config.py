"""Texts of `bpu config`."""

from __future__ import annotations

TEXTS = {
    "help": ("Show and change the settings.", "查看和修改设置。"),
    "about": (
        "Show and change the settings. One file counts: /etc/bpu/bpu.env, else ~/.config/bpu/bpu.env, else the "
        "project's .env; variables of the environment win over it. No root needed, except to change the file in "
        "/etc.\n\n"
        "Example: {bpu} config show",
        "查看和修改设置。只有一个文件有效：/etc/bpu/bpu.env，否则 ~/.config/bpu/bpu.env，否则项目的 .env；"
        "环境变量优先于文件。不需要 root，修改 /etc 中的文件除外。\n\n"
        "示例：{bpu} config show",
    ),
    "show": (
        "Show each setting, its value, and where it comes from. Keys are not shown.\n\n"
        "Example: {bpu} config show --json",
        "显示每个设置、它的值和来源。不显示密钥。\n\n示例：{bpu} config show --json",
    ),
    "json": ("Print JSON for programs.", "输出供程序使用的 JSON。"),
    "set": (
        "Write settings into the file that counts; an empty value removes the line. A wrong value is refused.\n\n"
        "Example: {sudo_bpu} config set BPU_RUNTIME_DIR=/opt/llm/runtime",
        "把设置写入有效的文件；空值表示删除该行。错误的值会被拒绝。\n\n"
        "示例：{sudo_bpu} config set BPU_RUNTIME_DIR=/opt/llm/runtime",
    ),
    "path": (
        "Print the file that counts, or that `config set` would make.\n\nExample: {bpu} config path",
        "显示有效的文件，或 `config set` 将创建的文件。\n\n示例：{bpu} config path",
    ),
    "from_default": ("default", "默认值"),
    "from_environment": ("environment", "环境变量"),
    "written": ("Written: {path}", "已写入：{path}"),
    "overridden": (
        "In this terminal the environment still wins for: {names}",
        "在当前终端中，以下设置仍以环境变量为准：{names}",
    ),
    "restart": (
        "A running service takes it at: sudo systemctl restart bpu-gateway",
        "要让正在运行的服务生效：sudo systemctl restart bpu-gateway",
    ),
    "no_setting": (
        "{text!r} is not NAME=VALUE with the name of a setting. `{bpu} config show` lists all names.",
        "{text!r} 不是“设置名=值”，或没有这个设置。运行 `{bpu} config show` 查看全部名称。",
    ),
    "no_keys": (
        "Keys do not belong into the settings, which every user may read. Write them, one a line, into a file of mode "
        "0600, and set BPU_API_KEYS_FILE to it.",
        "设置文件人人可读，不应存放密钥。请把密钥逐行写入权限为 0600 的文件，并把 BPU_API_KEYS_FILE 设为该文件。",
    ),
    "not_written": ("Nothing was written, because:", "没有写入任何内容，因为："),
    "not_there": ("It is not there yet.", "该文件尚不存在。"),
}
