"""Texts of `bpu connect`."""

from __future__ import annotations

TEXTS = {
    "help": ("Settings for Chatbox, OpenClaw and others.", "生成 Chatbox、OpenClaw 等程序的设置。"),
    "about": (
        "Print ready settings for programs that talk to the gateway, with this board's best address, its first API "
        "key and its model. The key stands in them in the clear. Needs no root.\n\n"
        "Example: {bpu} connect chatbox",
        "输出可直接使用的客户端设置，含本开发板最合适的地址、第一个 API 密钥和模型。其中的密钥是明文。不需要 root。\n\n"
        "示例：{bpu} connect chatbox",
    ),
    "url": (
        "Address of the gateway as the program reaches it; by default this board's best one.",
        "客户端访问网关所用的地址；默认为本开发板最合适的地址。",
    ),
    "key": ("API key; by default the first of the settings.", "API 密钥；默认取设置中的第一个。"),
    "model": ("Model; by default that of the settings.", "模型；默认取设置中的模型。"),
    "chatbox": (
        "Chatbox: a link that adds the provider, its QR code, and the fields to fill in by hand.\n\n"
        "Example: {bpu} connect chatbox",
        "Chatbox：一键添加的链接、二维码，以及手动填写的各项。\n\n示例：{bpu} connect chatbox",
    ),
    "openclaw": (
        "OpenClaw: the part of openclaw.json for a model with a small context. With --write it is merged into the "
        "file of this machine; for another one: {bpu} connect openclaw --agent | ssh HOST openclaw config patch "
        "--stdin\n\n"
        "Example: {bpu} connect openclaw --write --dry-run",
        "OpenClaw：适合小上下文模型的 openclaw.json 配置。加 --write 时合并到本机的配置文件；"
        "用于其他机器：{bpu} connect openclaw --agent | ssh HOST openclaw config patch --stdin\n\n"
        "示例：{bpu} connect openclaw --write --dry-run",
    ),
    "tools": (
        "With OpenClaw's smallest set of tools; without it the model only talks.",
        "启用 OpenClaw 最小的工具集；不加时模型只对话。",
    ),
    "agent": (
        "As a separate agent, bpu: the main model stays. --write does so by itself where another model is set.",
        "作为单独的代理 bpu，主模型不变。已设置其他模型时，--write 会自动这样做。",
    ),
    "main_model": (
        "This makes the board OpenClaw's main model. With --agent the main model stays and the board is the agent bpu.",
        "这会让开发板成为 OpenClaw 的主模型。加 --agent 时主模型不变，开发板作为代理 bpu。",
    ),
    "api": ("The API that OpenClaw uses: chat or responses.", "OpenClaw 使用的接口：chat 或 responses。"),
    "write": (
        "Merge it into OpenClaw's file, show what changes, and keep a copy of the file.",
        "合并到 OpenClaw 的配置文件，显示改动，并保留原文件的副本。",
    ),
    "config": (
        "OpenClaw's file; by default the one that OpenClaw itself would read.",
        "OpenClaw 的配置文件；默认为 OpenClaw 自己会读取的文件。",
    ),
    "dry_run": ("Show what would change, and write nothing.", "只显示改动，不写入。"),
    "unchanged": ("{path} holds all of it already.", "{path} 已包含全部设置。"),
    "written": ("Written: {path}", "已写入：{path}"),
    "backup": ("Before: {path}", "原文件：{path}"),
    "unreadable": ("{path} cannot be read: {reason}", "无法读取 {path}：{reason}"),
    "no_file": ("{path} is not a regular file and was not changed.", "{path} 不是普通文件，没有改动。"),
    "no_write": ("{path} cannot be written: {reason}", "无法写入 {path}：{reason}"),
    "not_json": (
        "{path} is not plain JSON and was not changed. OpenClaw can merge it, but drops its comments: "
        "{bpu} connect openclaw --agent | openclaw config patch --stdin",
        "{path} 不是普通 JSON，没有改动。OpenClaw 自己可以合并，但会丢掉其中的注释："
        "{bpu} connect openclaw --agent | openclaw config patch --stdin",
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
    "rdkstudio": (
        "RDK Studio: the file for its import of settings.\n\nExample: {bpu} connect rdkstudio > rdk-studio-config.json",
        "RDK Studio：供其导入配置的文件。\n\n示例：{bpu} connect rdkstudio > rdk-studio-config.json",
    ),
    "litellm": (
        "LiteLLM: the config.yaml of its proxy.\n\nExample: {bpu} connect litellm > config.yaml",
        "LiteLLM：其代理的 config.yaml。\n\n示例：{bpu} connect litellm > config.yaml",
    ),
    "aider": (
        "aider: the command that starts it.\n\nExample: {bpu} connect aider",
        "aider：启动命令。\n\n示例：{bpu} connect aider",
    ),
    "xiaozhi": (
        "xiaozhi-esp32-server: the part of data/.config.yaml.\n\nExample: {bpu} connect xiaozhi",
        "xiaozhi-esp32-server：data/.config.yaml 中的配置。\n\n示例：{bpu} connect xiaozhi",
    ),
    "ollama": (
        "Ollama's own program: the commands that use this gateway.\n\nExample: {bpu} connect ollama",
        "Ollama 命令行程序：使用本网关的命令。\n\n示例：{bpu} connect ollama",
    ),
    "claude": (
        "Claude Code: the command that starts it without tools, as a small context needs it.\n\n"
        "Example: {bpu} connect claude",
        "Claude Code：不带工具的启动命令，适合小上下文。\n\n示例：{bpu} connect claude",
    ),
    "codex": (
        "Codex: the part of ~/.codex/config.toml.\n\nExample: {bpu} connect codex",
        "Codex：~/.codex/config.toml 中的配置。\n\n示例：{bpu} connect codex",
    ),
    "homeassistant": (
        "Home Assistant: what to fill in for its Ollama integration.\n\nExample: {bpu} connect homeassistant",
        "Home Assistant：Ollama 集成中要填写的各项。\n\n示例：{bpu} connect homeassistant",
    ),
    "cherry": (
        "Cherry Studio: what to fill in for a provider.\n\nExample: {bpu} connect cherry",
        "Cherry Studio：模型服务商中要填写的各项。\n\n示例：{bpu} connect cherry",
    ),
    "n8n": (
        "n8n: what to fill in for its model nodes.\n\nExample: {bpu} connect n8n",
        "n8n：模型节点中要填写的各项。\n\n示例：{bpu} connect n8n",
    ),
    "dify": (
        "Dify: what to fill in for a model provider.\n\nExample: {bpu} connect dify",
        "Dify：模型供应商中要填写的各项。\n\n示例：{bpu} connect dify",
    ),
    "homeassistant_text": (
        "Settings, Devices & services, Add integration, Ollama:\n"
        "  URL      {host}\n"
        "  API key  {key}\n"
        "  Model    {model}\n"
        'Leave "Think before responding" off, and expose few entities: each takes part of the context.',
        "设置，设备与服务，添加集成，Ollama：\n"
        "  URL      {host}\n"
        "  API 密钥 {key}\n"
        "  模型     {model}\n"
        "关闭“回答前思考”，并只公开少量实体：每个实体都占用上下文。",
    ),
    "cherry_text": (
        "Settings, Model Provider, Add:\n"
        "  Provider type  OpenAI\n"
        "  API Host       {host}\n"
        "  API Key        {key}\n"
        "  Model          {model}\n"
        "The types Ollama and Anthropic work with the same host.",
        "设置，模型服务，添加：\n"
        "  提供商类型  OpenAI\n"
        "  API 地址    {host}\n"
        "  API 密钥    {key}\n"
        "  模型        {model}\n"
        "提供商类型选 Ollama 或 Anthropic 时地址相同。",
    ),
    "n8n_text": (
        "Node OpenAI Chat Model, credential OpenAI:\n"
        "  Base URL  {base}\n"
        "  API Key   {key}\n"
        "  Model     {model} (by ID)\n"
        "Node Ollama Chat Model, credential Ollama:\n"
        "  Base URL  {host}",
        "节点 OpenAI Chat Model，凭据 OpenAI：\n"
        "  Base URL  {base}\n"
        "  API 密钥  {key}\n"
        "  模型      {model}（按 ID）\n"
        "节点 Ollama Chat Model，凭据 Ollama：\n"
        "  Base URL  {host}",
    ),
    "dify_text": (
        "Settings, Model Provider, OpenAI-API-compatible, Add Model:\n"
        "  Model Name          {model}\n"
        "  API Key             {key}\n"
        "  API endpoint URL    {base}\n"
        "  Completion mode     Chat\n"
        "  Model context size  as `GET {base}/models` says",
        "设置，模型供应商，OpenAI-API-compatible，添加模型：\n"
        "  模型名称      {model}\n"
        "  API 密钥      {key}\n"
        "  API 端点 URL  {base}\n"
        "  补全模式      对话\n"
        "  上下文长度    见 `GET {base}/models`",
    ),
    "chatbox_open": ("Open this link on the computer that has Chatbox:", "在装有 Chatbox 的电脑上打开此链接："),
    "chatbox_scan": (
        "Open this link on the computer that has Chatbox, or scan the code:",
        "在装有 Chatbox 的电脑上打开此链接，或扫描二维码：",
    ),
    "chatbox_fields": (
        "Or by hand: Settings, Model Provider, Add, OpenAI API Compatible:\n"
        "  API Host  {host}   (type http:// too)\n"
        "  API Path  leave it as it is\n"
        "  API Key   {key}\n"
        "  Model     {model}",
        "或手动添加：设置，模型提供方，添加，OpenAI API 兼容：\n"
        "  API 主机  {host}   （http:// 也要输入）\n"
        "  API 路径  保持不变\n"
        "  API 密钥  {key}\n"
        "  模型      {model}",
    ),
    "needs_key": (
        "This address is public, and a gateway without keys refuses its clients. Set BPU_API_KEYS.",
        "这是公网地址，而没有设置密钥的网关会拒绝来自公网的客户端。请设置 BPU_API_KEYS。",
    ),
    "not_running": (
        "Nothing answers at {bind} now. The address comes from the settings: where the gateway was started with "
        "another BPU_BIND, set the same here, or name its address with --url.",
        "{bind} 上现在没有响应。地址取自设置：如果网关是用别的 BPU_BIND 启动的，"
        "请在这里设置同样的值，或用 --url 指定地址。",
    ),
    "models_unknown": (
        "{url} does not name its models: {reason} The models here are those of this computer's settings; name the "
        "right one with --model.",
        "{url} 没有给出它的模型：{reason} 这里列出的是本机设置中的模型；请用 --model 指定正确的模型。",
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
