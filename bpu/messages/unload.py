"""Texts of `bpu unload`."""

from __future__ import annotations

TEXTS = {
    "help": ("Give the BPU's memory back.", "释放 BPU 内存。"),
    "about": (
        "Give the BPU's memory back, for example to vision nodes: running and waiting jobs end first, then the console "
        "ends. The gateway stays, and the next question loads the model again. Needs no root; the user of the "
        "gateway, or one of its group.\n\n"
        "Example: {bpu} unload",
        "释放 BPU 内存，例如让给视觉节点：先完成正在运行和排队的任务，然后结束控制台程序。"
        "网关继续运行，下一个问题会重新加载模型。不需要 root；需要与网关相同的用户或同组用户。\n\n"
        "示例：{bpu} unload",
    ),
    "jobs": ("Waiting for the jobs under way", "正在等待未完成的任务"),
    "ending": ("Ending the console", "正在结束控制台程序"),
    "done": (
        "The model is unloaded; the BPU's memory is free. The next question loads it again.",
        "模型已卸载，BPU 内存已释放。下一个问题会重新加载模型。",
    ),
    "slow": (
        "The model was not unloaded within {seconds} s; it will be when the last job is done.",
        "模型在 {seconds} 秒内没有卸载；最后一个任务完成后会卸载。",
    ),
}
