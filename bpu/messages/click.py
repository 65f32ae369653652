"""What the click library itself says, translated.

`scripts/catalogue.py` makes the file of it that gettext reads.
"""

from __future__ import annotations

TEXTS = {
    "usage": ("Usage:", "用法："),
    "options": ("Options", "选项"),
    "arguments": ("Positional arguments", "参数"),
    "commands": ("Commands", "命令"),
    "help": ("Show this message and exit.", "显示此说明后退出。"),
    "error": ("Error: {message}", "错误：{message}"),
    "try": ("Try '{command} {option}' for help.", "运行 '{command} {option}' 查看帮助。"),
    "aborted": ("Aborted!", "已中止！"),
    "default": ("default: {default}", "默认：{default}"),
    "env_var": ("env var: {var}", "环境变量：{var}"),
    "required": ("required", "必填"),
    "continue": ("Do you want to continue?", "要继续吗？"),
    "missing_command": ("Missing command.", "缺少命令。"),
    "missing_argument": ("Missing argument", "缺少参数"),
    "missing_option": ("Missing option", "缺少选项"),
    "no_option": ("No such option {name!r}.", "没有选项 {name!r}。"),
    "no_option_before": ("No such option: {name}", "没有选项：{name}"),
    "no_command": ("No such command {name!r}.", "没有命令 {name!r}。"),
    "option_value": ("Option {name!r} requires an argument.", "选项 {name!r} 需要一个值。"),
    "option_no_value": ("Option {name!r} does not take a value.", "选项 {name!r} 不接受值。"),
    "invalid": ("Invalid value: {message}", "无效的值：{message}"),
    "invalid_for": ("Invalid value for {param_hint}: {message}", "{param_hint} 的值无效：{message}"),
    "not_number": (
        "{value!r} is not a valid {number_type}.",
        "{value!r} 不是有效的数值（{number_type}）。",
    ),
    "range": (
        "{value} is not in the range {range}.",
        "{value} 不在范围 {range} 内。",
    ),
    "no_path": ("{name} {filename!r} does not exist.", "{name} {filename!r} 不存在。"),
    "is_file": ("{name} {filename!r} is a file.", "{name} {filename!r} 是文件。"),
    "is_directory": ("{name} {filename!r} is a directory.", "{name} {filename!r} 是目录。"),
    "not_writable": ("{name} {filename!r} is not writable.", "{name} {filename!r} 不可写。"),
    "not_readable": ("{name} {filename!r} is not readable.", "{name} {filename!r} 不可读。"),
    "choice": ("{value!r} is not {choice}.", "{value!r} 不是以下之一：{choice}。"),
    "extra_argument": ("Got unexpected extra argument ({args})", "多余的参数（{args}）"),
    "guess": ("Did you mean {possibility}?", "您想用的是 {possibility} 吗？"),
    "file": ("file", "文件"),
    "directory": ("directory", "目录"),
    "path": ("path", "路径"),
}
