"""Texts about a gateway that is talked to over the network."""

from __future__ import annotations

TEXTS = {
    "unreachable": (
        "The gateway at {url} cannot be reached ({reason}). Check the address and that it runs: "
        "{bpu} service status on its board.",
        "无法连接 {url} 的网关（{reason}）。请检查地址，并在该开发板上确认它正在运行：{bpu} service status",
    ),
    "no_address": (
        "{url!r} is not the address of a gateway. Write it as in http://192.168.137.100:8000",
        "{url!r} 不是网关地址。请写成 http://192.168.137.100:8000 的形式。",
    ),
    "strange": (
        "The answer, with HTTP status {status}, is not from a gateway of this kind. Check the address.",
        "收到 HTTP 状态码 {status} 的回复，但它不是来自本网关。请检查地址。",
    ),
    "broken_off": (
        "The answer of {url} broke off before its end. Ask again.",
        "{url} 的回答中途断开。请重新提问。",
    ),
    "no_models": (
        "The gateway at {url} serves no model. Check the address.",
        "{url} 的网关没有提供任何模型。请检查地址。",
    ),
}
