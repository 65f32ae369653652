"""Texts of `bpu examine`."""

from __future__ import annotations

TEXTS = {
    "help": ("Examine what the console remembers.", "检查控制台的记忆。"),
    "about": (
        "Load the console anew as soon as no job is left, and find out by four questions whether it keeps a "
        "conversation and whether `reset` empties its memory. The findings are kept in the data folder, and the "
        "gateway goes by them. The gateway of this board must be running, or one elsewhere named with --url. Needs no "
        "root; the user of the gateway, or one of its group.\n\n"
        "Example: {bpu} examine",
        "在没有任务时立即重新加载控制台，用四个问题查明它是否保留对话、`reset` 是否清空记忆。"
        "结论保存在数据目录中，供网关使用。本开发板网关必须正在运行，或用 --url 指定别处的网关。"
        "不需要 root；需要与网关相同的用户或同组用户。\n\n"
        "示例：{bpu} examine",
    ),
    "waiting": ("Waiting for the console", "正在等待控制台"),
    "history_kept": ("The console keeps a conversation.", "控制台会保留对话。"),
    "history_unknown": ("The console was not seen to keep a conversation.", "没有看到控制台保留对话。"),
    "reset_trusted": ("reset empties its memory.", "reset 会清空记忆。"),
    "reset_not_trusted": (
        "reset is not trusted: the gateway restarts the console between conversations.",
        "reset 不可信：网关会在不同对话之间重启控制台。",
    ),
    "by_settings": (
        "That is what the settings say (BPU_RESET and BPU_CONTINUE; on a computer's processor the gateway sets both, "
        "because the program is its own), whatever the model answered.",
        "以上由设置决定（BPU_RESET 和 BPU_CONTINUE；在电脑处理器上运行时由网关自行设定，因为程序是它自己的），"
        "与模型的回答无关。",
    ),
    "cut": (
        "The examination was cut short, by a question that would have waited too long, or because the console ended. "
        "Try again when no questions come in.",
        "检查被中断：有问题会因此等待过久，或控制台已结束。请在没有人提问时再试。",
    ),
    "slow": (
        "The console was not examined within {seconds} s; it will be when the last job is done.",
        "控制台在 {seconds} 秒内没有检查完；最后一个任务完成后会继续。",
    ),
}
