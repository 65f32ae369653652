"""Texts of `bpu connect`."""

from __future__ import annotations

TEXTS = {
    "help": ("Settings for Chatbox, OpenClaw and others.", "生成 Chatbox、OpenClaw 等程序的设置。"),
    "about": (
        "Print ready settings for programs that talk to the gateway, with this board's best address, its first API "
        "key and its model. The key stands in them in the clear. Needs no root.\n\n"
        "Example: {bpu} connect chatbox",
        "输出可直接使用的客户端设置，含本板最合适的地址、第一个 API 密钥和模型。其中的密钥是明文。不需要 root。\n\n"
        "示例：{bpu} connect chatbox",
    ),
    "url": (
        "Address of the gateway as the program reaches it; by default this board's best one.",
        "客户端访问网关所用的地址；默认为本板最合适的地址。",
    ),
    "key": ("API key; by default the first of the settings.", "API 密钥；默认取设置中的第一个。"),
    "model": ("Model; by default that of the settings.", "模型；默认取设置中的模型。"),
    "chatbox": (
        "Chatbox: a link that adds the provider, its QR code, and the fields to fill in by hand.\n\n"
        "Example: {bpu} connect chatbox",
        "Chatbox：一键添加的链接、二维码，以及手动填写的各项。\n\n示例：{bpu} connect chatbox",
    ),
    "openclaw": (
        "OpenClaw: the part of openclaw.json for a model with a small context.\n\nExample: {bpu} connect openclaw",
        "OpenClaw：适合小上下文模型的 openclaw.json 配置。\n\n示例：{bpu} connect openclaw",
    ),
    "openwebui": (
        "Open WebUI: the variables to start it with.\n\nExample: {bpu} connect openwebui > openwebui.env",
        "Open WebUI：启动时使用的环境变量。\n\n示例：{bpu} connect openwebui > openwebui.env",
    ),
    "llm": (
        "llm, the command line program: the entry for its list of models.\n\nExample: {bpu} connect llm",
        "llm 命令行程序：模型列表中的条目。\n\n示例：{bpu} connect llm",
    ),
    "curl": (
        "curl: a command that streams one answer.\n\nExample: {bpu} connect curl | sh",
        "curl：流式获取一个回答的命令。\n\n示例：{bpu} connect curl | sh",
    ),
    "chatbox_text": (
        "Open this link on the computer that has Chatbox, or scan the code:\n{link}\n\n"
        "Or by hand: Settings, Model Provider, Add, OpenAI API Compatible:\n"
        "  API Host  {host}   (type http:// too)\n"
        "  API Path  leave it as it is\n"
        "  API Key   {key}\n"
        "  Model     {model}",
        "在装有 Chatbox 的电脑上打开此链接，或扫描二维码：\n{link}\n\n"
        "或手动添加：设置，模型提供方，添加，OpenAI API 兼容：\n"
        "  API 主机  {host}   （http:// 也要输入）\n"
        "  API 路径  保持不变\n"
        "  API 密钥  {key}\n"
        "  模型      {model}",
    ),
    "local_only": (
        "This address works on this machine only, so no code is shown. For other devices, let the gateway listen on "
        "all addresses (BPU_BIND=0.0.0.0:8000), or name its address with --url.",
        "此地址只在本机有效，因此不显示二维码。其他设备要访问时，请让网关监听所有地址（BPU_BIND=0.0.0.0:8000），"
        "或用 --url 指定地址。",
    ),
    "openwebui_where": (
        "For docker run --env-file, or in the environment of open-webui serve",
        "用于 docker run --env-file，或 open-webui serve 的环境变量",
    ),
    "llm_where": (
        'Into the file that this prints: echo "$(dirname "$(llm logs path)")/extra-openai-models.yaml"',
        '写入此命令输出的文件：echo "$(dirname "$(llm logs path)")/extra-openai-models.yaml"',
    ),
    "llm_then": ("Then:", "然后："),
    "hello": ("Introduce yourself in one sentence.", "用一句话介绍你自己。"),
    "no_network": (
        "The gateway listens on {bind} alone, which other machines cannot reach. Name the address of the proxy in "
        "front of it with --url.",
        "网关只监听 {bind}，其他机器无法访问。请用 --url 指定它前面的代理地址。",
    ),
}
