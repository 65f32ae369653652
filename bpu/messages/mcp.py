"""Texts of `bpu mcp`."""

from __future__ import annotations

TEXTS = {
    "help": ("Offer the board as a tool to other agents (MCP).", "把开发板作为工具提供给其他智能体（MCP）。"),
    "about": (
        "Serve the Model Context Protocol, so that a bigger agent elsewhere uses the board as a tool: chat, "
        "list_models, board_status, cancel, and more where the gateway can do more. Without --http it speaks over "
        "standard input and output, as agents start such servers. It needs the packages of requirements-mcp.txt and "
        "a running gateway. Needs no root.\n\n"
        "Example: {bpu} mcp --url http://192.168.1.20:8000",
        "提供模型上下文协议（MCP）服务，让其他机器上更大的智能体把开发板当作工具使用：chat、list_models、board_status、"
        "cancel，以及网关支持的更多工具。不加 --http 时通过标准输入输出通信，这也是智能体启动此类服务的方式。"
        "需要 requirements-mcp.txt 中的软件包和正在运行的网关。不需要 root。\n\n"
        "示例：{bpu} mcp --url http://192.168.1.20:8000",
    ),
    "url": ("Address of the gateway; by default the one of this machine.", "网关地址；默认为本机的网关。"),
    "key": ("API key of the gateway; by default the first of the settings.", "网关的 API 密钥；默认取设置中的第一个。"),
    "http": (
        "Serve /mcp over HTTP at this address instead; a port alone means 127.0.0.1. The gateway's API keys hold "
        "here too; without any it needs BPU_MCP=1.",
        "改为在此地址通过 HTTP 提供 /mcp；只写端口表示 127.0.0.1。网关的 API 密钥在这里同样有效；"
        "没有密钥时需要 BPU_MCP=1。",
    ),
    "missing": (
        "The library {name!r} is missing. Install what this command needs: {pip} install 'mcp>=2.3,<3'",
        "缺少软件包 {name!r}。请安装此命令所需的软件包：{pip} install 'mcp>=2.3,<3'",
    ),
    "no_keys": (
        "No API key is set, so every client that reaches the address could use the board. Set BPU_API_KEYS, or "
        "BPU_MCP=1 to serve this machine and private networks without a key.",
        "未设置 API 密钥，任何能访问该地址的客户端都能使用开发板。请设置 BPU_API_KEYS；或设置 BPU_MCP=1，"
        "不用密钥为本机和私有网络提供服务。",
    ),
    "bad_address": (
        "{address!r} is not HOST:PORT. Write for example 127.0.0.1:8001.",
        "{address!r} 不是 HOST:PORT。请写成例如 127.0.0.1:8001。",
    ),
    "no_address": (
        "The gateway listens on {bind} alone, which has no address. Name one with --url.",
        "网关只监听 {bind}，没有网络地址。请用 --url 指定。",
    ),
    "serving": ("MCP is served at {url}", "MCP 服务地址：{url}"),
}
