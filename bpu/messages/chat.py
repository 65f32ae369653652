"""Texts of `bpu chat`."""

from __future__ import annotations

TEXTS = {
    "help": ("Chat with the model in the terminal.", "在终端里与模型对话。"),
    "about": (
        "Chat with the model in the terminal. It shares the one model in memory and its queue with the gateway of "
        "this board, or talks to a gateway elsewhere with --url. With a QUESTION it answers that and leaves; the "
        "answer alone goes to standard output. Needs no root, unless only root may use the BPU.\n\n"
        "Ctrl-C stops an answer, Ctrl-D leaves. /new begins a new conversation.\n\n"
        "Example: {bpu} chat --url http://192.168.137.100:8000",
        "在终端里与模型对话。它与本开发板网关共用内存中的同一个模型和队列；用 --url 则连接别处的网关。"
        "给出 QUESTION 时只回答这一个问题然后退出，标准输出只含回答。不需要 root，除非只有 root 能使用 BPU。\n\n"
        "Ctrl-C 停止回答，Ctrl-D 退出，/new 开始新对话。\n\n"
        "示例：{bpu} chat --url http://192.168.137.100:8000",
    ),
    "url": (
        "Talk to the gateway at this address instead of this board's engine.",
        "连接该地址的网关，而不是本开发板的引擎。",
    ),
    "key": (
        "API key for --url; by default OPENAI_API_KEY, else the first key of the settings.",
        "用于 --url 的 API 密钥；默认取 OPENAI_API_KEY，否则取设置中的第一个密钥。",
    ),
    "model": (
        "Model to ask for, by id or alias; by default the first of the gateway or table.",
        "要使用的模型（id 或别名）；默认为网关或模型表的默认模型。",
    ),
    "image": (
        "Picture for the first question, for a model that sees; may be given several times.",
        "随第一个问题发送的图片，用于能看图的模型；可多次给出。",
    ),
    "no_image": (
        "{path} is no picture that can be sent. JPEG, PNG, WebP, BMP and GIF files are taken.",
        "{path} 不是可以发送的图片。支持 JPEG、PNG、WebP、BMP 和 GIF 文件。",
    ),
    "system": ("System text for the whole conversation.", "整个对话的系统提示词。"),
    "max_tokens": ("Cut answers, thinking included, after N tokens.", "回答（含思考）超过 N 个 token 即截断。"),
    "hide_thinking": ("Do not show the thinking.", "不显示思考过程。"),
    "no_thinking": ("Ask the model not to think, if it supports that.", "要求模型不思考（在支持的模型上）。"),
    "keys": (
        "Ctrl-C stops an answer, /new begins a new conversation, Ctrl-D or /exit leaves.",
        "Ctrl-C 停止回答，/new 开始新对话，Ctrl-D 或 /exit 退出。",
    ),
    "at_board": ("{model} on this board's BPU.", "{model}，运行于本开发板 BPU。"),
    "at_cpu": (
        "{model}: a small model on this computer's processor, not the BPU.",
        "{model}：运行在本机处理器上的小模型，不是 BPU。",
    ),
    "at_simulator": (
        "The SIMULATOR answers: its answers are stored texts, no model and no BPU is used.",
        "由模拟器回答：回答是预存的文本，没有使用任何模型或 BPU。",
    ),
    "at_gateway": ("{model} at {url}.", "{model}，位于 {url}。"),
    "other_model": (
        "This board has no model {model}, but {ours}. Leave out --model, or name a gateway with --url.",
        "本开发板没有模型 {model}，可用的有 {ours}。请去掉 --model，或用 --url 指定网关。",
    ),
    "try_url": (
        "If a gateway runs here, talk to it: {bpu} chat --url http://127.0.0.1:8000",
        "如果本机正在运行网关，可以连接它：{bpu} chat --url http://127.0.0.1:8000",
    ),
    "loading": ("Loading the model", "正在加载模型"),
    "queued": ("Waiting: {before} before this one", "排队中：前面还有 {before} 个"),
    "waiting": ("Reading the question ...", "正在读取问题……"),
    "figures": ("({tokens} tokens, {speed} tokens/s{cut})", "（{tokens} 个 token，{speed} token/s{cut}）"),
    "cut": (", cut by a limit", "，因达到上限被截断"),
    "stopped": ("(stopped)", "（已停止）"),
    "new": ("(a new conversation)", "（新对话）"),
    "no_such": (
        "There is no {word}. Known are /new, /help and /exit.",
        "没有 {word} 这个命令。可用的有 /new、/help 和 /exit。",
    ),
    "how_to_leave": ("Ctrl-D or /exit leaves.", "按 Ctrl-D 或输入 /exit 退出。"),
}
