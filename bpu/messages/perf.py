"""Texts of `perf`."""

from __future__ import annotations

TEXTS = {
    "help": ("Performance mode: on, off, status.", "性能模式：开启、关闭、查看。"),
    "about": (
        "Performance mode: full clocks until the next start of the board. `on` and `off` need root, `status` does not."
        "\n\nExample: {sudo_bpu} perf on",
        "性能模式：在下次启动前让各时钟全速运行。`on` 和 `off` 需要 root，`status` 不需要。"
        "\n\n示例：{sudo_bpu} perf on",
    ),
    "on": (
        "Switch it on: the SDK's script, the kernel's governors, and on the S100P two words of memory. Needs root. "
        "What was there before is remembered.\n\nExample: {sudo_bpu} perf on",
        "开启：运行 SDK 的脚本，设置内核调频策略，在 S100P 上还写入两个内存字。需要 root。会记住之前的状态。"
        "\n\n示例：{sudo_bpu} perf on",
    ),
    "off": (
        "Put back what was there before. Needs root.\n\nExample: {sudo_bpu} perf off",
        "恢复之前的状态。需要 root。\n\n示例：{sudo_bpu} perf off",
    ),
    "status": (
        "Show governors and clocks. No root needed.\n\nExample: {bpu} perf status",
        "显示调频策略和时钟。不需要 root。\n\n示例：{bpu} perf status",
    ),
    "sysfs": (
        "Folder that holds proc/ and sys/, for another system than the running one.",
        "包含 proc/ 和 sys/ 的文件夹，用于查看并非当前运行的系统。",
    ),
    "script_failed": (
        "The SDK's script {path} failed ({reason}); what the kernel offers was set all the same.",
        "SDK 的脚本 {path} 失败（{reason}）；内核提供的设置已照常生效。",
    ),
    "script": ("The SDK's script was run: {path}", "已运行 SDK 的脚本：{path}"),
    "set": ("{name}: governor {governor}", "{name}：调频策略 {governor}"),
    "is_set": ("{name}: governor performance already", "{name}：调频策略已是 performance"),
    "word": ("Memory word {address} = {value}", "内存字 {address} = {value}"),
    "row": ("  {name:<24} {governor:<14} {speed}", "  {name:<24} {governor:<14} {speed}"),
    "speed": ("{current} of {highest}", "{current}，最高 {highest}"),
    "by_us": (
        "Switched on by this program; `perf off` puts back what was there before.",
        "由本程序开启；`perf off` 可恢复之前的状态。",
    ),
    "script_there": ("The SDK's script: {path}", "SDK 的脚本：{path}"),
    "no_clocks": (
        "This system shows no governors: its clocks cannot be read or set here.",
        "本系统没有调频策略：无法读取或设置时钟。",
    ),
    "lost_at_reboot": (
        "It is lost when the board restarts. To have it at each start: {sudo_bpu} service install --performance",
        "开发板重启后会失效。要在每次启动时开启：{sudo_bpu} service install --performance",
    ),
    "put_back": ("All is as it was before.", "已恢复到之前的状态。"),
    "needs_root": ("This needs root. Run: {command}", "这需要 root。请运行：{command}"),
    "nothing_to_do": (
        "There is nothing to switch on: no script in the SDK's runtime folder, and no governor of the kernel that "
        "offers performance. Check BPU_RUNTIME_DIR.",
        "没有可开启的内容：SDK 的 runtime 目录中没有脚本，内核也没有 performance 调频策略。请检查 BPU_RUNTIME_DIR。",
    ),
    "no_record": (
        "What was there before is not known ({path} is missing), so nothing is changed. A restart of the board "
        "brings the usual clocks back.",
        "不知道之前的状态（没有 {path}），因此不做改动。重启开发板即可恢复正常时钟。",
    ),
    "failed": ("{what} could not be set: {reason}.", "无法设置 {what}：{reason}。"),
    "enable_needs_root": (
        "BPU_PERFORMANCE_MODE is set, but performance mode needs root; the gateway starts without it. Run: {command}",
        "已设置 BPU_PERFORMANCE_MODE，但性能模式需要 root；网关将在普通模式下启动。请运行：{command}",
    ),
    "enable_failed": (
        "Performance mode could not be switched on ({reason}); the gateway starts without it. To see why: {command}",
        "无法开启性能模式（{reason}）；网关将在普通模式下启动。查看原因：{command}",
    ),
}
