"""Texts of `bpu scan`."""

from __future__ import annotations

TEXTS = {
    "help": ("List the gateways of the network.", "列出局域网中的网关。"),
    "about": (
        "List the gateways that announce themselves on the local network by mDNS, with their models and load. "
        "Private addresses alone are asked, and no key is sent. Needs no root.\n\n"
        "Example: {bpu} scan",
        "列出通过 mDNS 在局域网中公布自己的网关，包括模型和负载。只询问私有地址，不发送密钥。不需要 root。\n\n"
        "示例：{bpu} scan",
    ),
    "seconds": ("How long to listen.", "监听多少秒。"),
    "json": ("Print JSON.", "输出 JSON。"),
    "no_network": ("mDNS cannot be used here: {reason}", "此处无法使用 mDNS：{reason}"),
    "none": (
        "No gateway has answered. Gateways announce themselves as a service, or with BPU_ANNOUNCE=1; a firewall must "
        "let UDP port 5353 pass.",
        "没有网关应答。网关作为服务运行或设置 BPU_ANNOUNCE=1 时才会公布自己；防火墙需放行 UDP 5353 端口。",
    ),
    "name": ("Name", "名称"),
    "address": ("Address", "地址"),
    "version": ("Version", "版本"),
    "models": ("Models", "模型"),
    "load": ("State", "状态"),
    "hidden": ("(with a key)", "（需要密钥）"),
    "silent": ("does not answer", "没有应答"),
    "busy": ("busy", "忙"),
    "waiting": ("{number} waiting", "{number} 个等待"),
    "simulated": ("simulator", "模拟器"),
    "key": ("needs a key", "需要密钥"),
}
