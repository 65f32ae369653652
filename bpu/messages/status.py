"""Texts of `bpu status`."""

from __future__ import annotations

TEXTS = {
    "help": ("Say whether the gateway serves, and where.", "查看网关是否可用及其地址。"),
    "about": (
        "Say whether this board's gateway serves: the service, the model, its addresses. The exit code is 0 when it "
        "does, else 3. Needs no root.\n\nExample: {bpu} status",
        "查看本开发板的网关是否可用：服务、模型、地址。可用时退出码为 0，否则为 3。不需要 root。\n\n示例：{bpu} status",
    ),
    "service": ("Service: {state}", "服务：{state}"),
    "no_service": ("not installed", "未安装"),
    "model": ("Model: {model}, {state}", "模型：{model}，{state}"),
    "state_stopped": ("stopped", "已停止"),
    "state_starting": ("starting", "加载中"),
    "state_checking": ("checking", "检查中"),
    "state_ready": ("ready", "就绪"),
    "state_busy": ("busy", "回答中"),
    "state_stopping": ("stopping", "停止中"),
    "state_failed": ("failed", "故障"),
    "nothing_listens": ("Nothing answers at {bind}.", "{bind} 上没有响应。"),
    "other_address": (
        "But a gateway runs on this board, at another address than these settings name. Set the BPU_BIND with which it "
        "was started.",
        "但本开发板上有网关在运行，地址与这些设置不同。请设置启动它时所用的 BPU_BIND。",
    ),
}
