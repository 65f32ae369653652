"""Texts about settings files that must not be believed or cannot be read."""

from __future__ import annotations

TEXTS = {
    "distrusted": (
        "{path} is not read, because {place} {reason}. Correct owner and mode (chown, chmod go-w), or name "
        "another file.",
        "不读取 {path}，因为 {place} {reason}。请更正所有者和权限（chown、chmod go-w），或指定其他文件。",
    ),
    "foreign": ("belongs to another user", "属于其他用户"),
    "writable": ("can be written by other users", "可被其他用户写入"),
    "no_file": ("is not a regular file", "不是普通文件"),
    "unreadable": ("{path} cannot be read: {reason}.", "无法读取 {path}：{reason}。"),
    "too_large": (
        "{path} is larger than {most} bytes, so it is no settings file.",
        "{path} 大于 {most} 字节，不是设置文件。",
    ),
    "not_utf8": ("{path} is not UTF-8 (byte {at}).", "{path} 不是 UTF-8（第 {at} 字节）。"),
}
