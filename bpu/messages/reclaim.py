"""Texts of `reclaim`."""

from __future__ import annotations

TEXTS = {
    "help": ("Take memory back for the model.", "为模型腾出内存。"),
    "about": (
        "Show the board's memory and take some back: end orphaned consoles, other processes only by --pid, "
        "and drop the kernel's caches. Without --yes it only says what it would do. Needs no root; root may see and "
        "end every process, an ordinary user only their own.\n\n"
        "Example: {sudo_bpu} reclaim --drop-caches --yes",
        "查看开发板的内存并腾出一些：结束已无人使用的控制台，其他程序只有用 --pid 指定才会结束，还可清除内核缓存。"
        "不加 --yes 时只说明会做什么。不一定需要 root；root 能看到并结束所有程序，普通用户只能处理自己的。\n\n"
        "示例：{sudo_bpu} reclaim --drop-caches --yes",
    ),
    "pid": (
        "End this process too, if it is a console of this runtime or holds memory of the BPU. May be repeated.",
        "同时结束此进程，前提是它是本 runtime 的控制台或占用 BPU 内存。可重复使用。",
    ),
    "drop_caches": (
        "Also write all data to disk and drop the file caches (root).",
        "同时写回数据并清除文件缓存（需要 root）。",
    ),
    "yes": ("Do it; without this it is a dry run.", "真正执行；不加则只是演练。"),
    "sysfs": (
        "Folder that holds proc/ and sys/, for another system than the running one; nothing is ended there.",
        "包含 proc/ 和 sys/ 的文件夹，用于查看并非当前运行的系统；不会结束任何程序。",
    ),
    "serving": ("serves a gateway, stays", "正为网关服务，保留"),
    "orphaned": ("orphaned", "已无人使用"),
    "owned": ("in use; --pid {pid} ends it", "有人在用；--pid {pid} 可结束"),
    "asked": ("asked for by --pid", "由 --pid 指定"),
    "row": ("  {process}  {held}  {words}", "  {process}  {held}  {words}"),
    "nothing": (
        "No console of this runtime and no other holder of the BPU's memory is seen.",
        "没有看到本 runtime 的控制台，也没有其他程序占用 BPU 内存。",
    ),
    "hidden": (
        "Only root may see which processes hold the BPU's memory: run it with sudo.",
        "只有 root 能看到谁占用 BPU 内存：请用 sudo 运行。",
    ),
    "would_end": ("Would end: {process}", "将结束：{process}"),
    "would_drop": ("Would write all data to disk and drop the file caches.", "将写回数据并清除文件缓存。"),
    "dry_run": ("Nothing was done. With --yes it is done.", "未做任何事。加上 --yes 才会执行。"),
    "idle": ("There is nothing to end.", "没有需要结束的程序。"),
    "ended": ("Ended: {process}", "已结束：{process}"),
    "gone": ("Gone already: {process}", "已经退出：{process}"),
    "dropped": ("Caches dropped.", "已清除缓存。"),
    "memory": ("memory", "内存"),
    "used": ("used", "已用"),
    "before": ("before", "之前"),
    "after": ("after", "之后"),
    "total": ("total", "总量"),
    "not_a_candidate": (
        "Process {pid} is neither a console of this runtime nor seen to hold memory of the BPU; it is not touched.",
        "进程 {pid} 既不是本 runtime 的控制台，也没有看到它占用 BPU 内存；不会动它。",
    ),
    "is_serving": (
        "Process {pid} serves a gateway. To give its memory back: {bpu} unload, or stop the service.",
        "进程 {pid} 正为网关服务。要释放其内存：{bpu} unload，或停止服务。",
    ),
    "not_yours": (
        "Process {pid} belongs to {user}; ending it needs root: run it with sudo.",
        "进程 {pid} 属于 {user}；结束它需要 root：请用 sudo 运行。",
    ),
    "unkillable": (
        "Process {pid} cannot be ended, not even by the kernel; restart the board.",
        "进程 {pid} 无法结束，内核也不能；请重启开发板。",
    ),
    "no_drop": (
        "The caches cannot be dropped ({path}: {reason}); it needs root: run it with sudo.",
        "无法清除缓存（{path}：{reason}）；需要 root：请用 sudo 运行。",
    ),
    "not_here": (
        "Nothing is ended on another system than the running one. Leave --sysfs out.",
        "不会在其他系统上结束程序。请去掉 --sysfs。",
    ),
}
