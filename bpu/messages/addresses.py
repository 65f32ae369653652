"""Texts of the announcement at start."""

from __future__ import annotations

TEXTS = {
    "title": ("RDK BPU Gateway {version} is up.", "RDK BPU Gateway {version} 已启动。"),
    "board": ("Answers come from: the board's BPU.", "由谁回答：开发板的 BPU。"),
    "cpu": (
        "Answers come from: {model}, a small model on this computer's processor, not the BPU.",
        "由谁回答：{model}，运行在本机处理器上的小模型，不是 BPU。",
    ),
    "estimated": (
        "The vocabulary of this model file is of a kind that is not known here, so its tokens are estimated.",
        "此模型文件的词表种类未知，token 数为估算值。",
    ),
    "simulator": (
        "Answers come from: the SIMULATOR. Its answers are stored texts; no model and no BPU is used.",
        "由谁回答：模拟器。回答是预存的文本，没有使用任何模型或 BPU。",
    ),
    "chatbox": (
        "API host for Chatbox and other OpenAI clients (type http:// too; take the first that works):",
        "填入 Chatbox 等 OpenAI 客户端的 API 主机（http:// 也要输入；使用第一个能连上的）：",
    ),
    "usb": ("USB network", "USB 网络"),
    "wired": ("wired network", "有线网络"),
    "wifi": ("Wi-Fi, slower", "Wi-Fi，较慢"),
    "tunnel": ("VPN or modem", "VPN 或调制解调器"),
    "container": ("containers on this machine", "本机的容器"),
    "mdns": ("by name, where the network resolves .local names", "用主机名访问，需要网络支持 .local 名称"),
    "here": ("on this machine", "在本机上"),
    "closed": (
        "{network}; public, so it needs BPU_API_KEYS (docs/settings.md)",
        "{network}；公网地址，需要设置 BPU_API_KEYS（见 docs/settings.zh-CN.md）",
    ),
    "page": ("Page for a first chat: {url}", "打开网页即可试聊：{url}"),
    "taken": (
        "Another program listens on {bind} already, so the gateway was not started. Stop it, or choose another "
        "address: {bpu} config set BPU_BIND=0.0.0.0:8001",
        "已有其他程序在监听 {bind}，网关没有启动。请停止该程序，或换一个地址：{bpu} config set BPU_BIND=0.0.0.0:8001",
    ),
    "socket": ("It listens on {bind}; a proxy gives it an address.", "正在监听 {bind}，由代理提供访问地址。"),
}
