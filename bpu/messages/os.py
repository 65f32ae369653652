"""Reasons of the operating system, by the names of its error numbers.

The English texts are the C library's.
"""

from __future__ import annotations

TEXTS = {
    "EPERM": ("Operation not permitted", "不允许此操作"),
    "ENOENT": ("No such file or directory", "没有这个文件或文件夹"),
    "EIO": ("Input/output error", "读写设备出错"),
    "ENXIO": ("No such device or address", "没有这个设备或地址"),
    "ENOEXEC": ("Exec format error", "不是本机能运行的程序"),
    "EACCES": ("Permission denied", "没有权限"),
    "EBUSY": ("Device or resource busy", "设备或资源正被占用"),
    "EEXIST": ("File exists", "文件已存在"),
    "ENODEV": ("No such device", "没有这个设备"),
    "ENOTDIR": ("Not a directory", "不是文件夹"),
    "EISDIR": ("Is a directory", "是文件夹，不是文件"),
    "EINVAL": ("Invalid argument", "参数无效"),
    "EMFILE": ("Too many open files", "打开的文件过多"),
    "ETXTBSY": ("Text file busy", "程序文件正被使用"),
    "EFBIG": ("File too large", "文件过大"),
    "ENOSPC": ("No space left on device", "磁盘空间不足"),
    "EROFS": ("Read-only file system", "文件系统是只读的"),
    "ENAMETOOLONG": ("File name too long", "文件名过长"),
    "ELOOP": ("Too many levels of symbolic links", "符号链接层数过多"),
    "EDQUOT": ("Disk quota exceeded", "超出磁盘配额"),
    "ENOMEM": ("Cannot allocate memory", "内存不足"),
    "EADDRINUSE": ("Address already in use", "地址已被占用"),
    "EADDRNOTAVAIL": ("Cannot assign requested address", "本机没有这个地址"),
    "ECONNREFUSED": ("Connection refused", "连接被拒绝"),
    "ECONNRESET": ("Connection reset by peer", "连接被对方断开"),
    "ENETUNREACH": ("Network is unreachable", "网络不可达"),
    "EHOSTUNREACH": ("No route to host", "无法到达主机"),
    "ETIMEDOUT": ("Connection timed out", "连接超时"),
}
