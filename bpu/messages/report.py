"""Texts of `bpu report`."""

from __future__ import annotations

TEXTS = {
    "help": ("Write one file about this board, to send for help.", "生成一个关于本开发板的文件，用于求助。"),
    "about": (
        "Write one text file to send when you ask for help: versions, findings, settings, service, engine, last log. "
        "It lists first what is in it. Keys, credentials in addresses, prompts, answers and the addresses of clients "
        "are left out. Needs no root; root sees more.\n\n"
        "Example: {sudo_bpu} report",
        "生成一个文本文件，可发送给提供帮助的人：版本、检查结果、设置、服务、引擎和最近的日志。"
        "文件开头列出其内容。不包含密钥、地址中的凭据、提问、回答和客户端地址。不需要 root；用 root 能看到更多。\n\n"
        "示例：{sudo_bpu} report",
    ),
    "output": (
        "File to write; by default bpu-report-TIME.txt in this folder.",
        "输出文件；默认为当前目录下的 bpu-report-时间.txt。",
    ),
    "log": ("A saved log of the gateway instead of the service's.", "使用保存的网关日志，而不是服务的日志。"),
    "contents": ("This report holds:", "此报告包含："),
    "part_versions": ("versions of gateway, Python and libraries", "网关、Python 和各库的版本"),
    "part_doctor": (
        "what `doctor` finds: board, files, memory, this board's own addresses (x broken, ! warning, + fine, - note)",
        "`doctor` 的检查结果：开发板、文件、内存、本开发板自己的地址（x 故障，! 警告，+ 正常，- 说明）",
    ),
    "part_settings": ("settings that are not the defaults, without keys", "与默认值不同的设置，不含密钥"),
    "part_service": ("the state of the service", "服务的状态"),
    "part_engine": ("the state of the engine", "引擎的状态"),
    "part_log": ("the last lines of the log: times, counts and errors", "最近的日志：时间、计数和错误"),
    "not_in_it": (
        "It holds no keys, no credentials, no prompts and answers; clients are numbered.",
        "不含密钥、凭据、提问和回答；客户端以编号代替。",
    ),
    "no_part": ("(not available: {reason})", "（无法取得：{reason}）"),
    "not_written": (
        "{path} cannot be written: {reason}. Name another file with --output.",
        "无法写入 {path}：{reason}。请用 --output 指定其他文件。",
    ),
    "written": ("Written: {path} ({size}). Read it before you send it.", "已写入：{path}（{size}）。发送前请先查看。"),
}
