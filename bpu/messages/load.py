"""Texts of `bpu load`, and those that `unload` shares with it."""

from __future__ import annotations

TEXTS = {
    "help": ("Load the model now.", "立即加载模型。"),
    "about": (
        "Load the model into the BPU's memory now, instead of at the next question, and wait until it is there. "
        "The gateway of this board must be running, or one elsewhere named with --url. Needs no root; the user of "
        "the gateway, or one of its group.\n\n"
        "Example: {bpu} load",
        "立即把模型加载到 BPU 内存（而不是等到下一个问题），并等待加载完成。"
        "本开发板网关必须正在运行，或用 --url 指定别处的网关。不需要 root；需要与网关相同的用户或同组用户。\n\n"
        "示例：{bpu} load",
    ),
    "url": ("The gateway at this address instead of this board's.", "使用该地址的网关，而不是本开发板的网关。"),
    "key": (
        "API key for --url; by default OPENAI_API_KEY, else the first key of the settings.",
        "用于 --url 的 API 密钥；默认取 OPENAI_API_KEY，否则取设置中的第一个密钥。",
    ),
    "model": (
        "Model to load, by id or alias; by default that of the last load.",
        "要加载的模型（id 或别名）；默认为上次加载的模型。",
    ),
    "no_model": ("There is no model {model}; there are {models}.", "没有模型 {model}；可用的有 {models}。"),
    "timeout": ("Longest wait.", "最长等待时间（秒）。"),
    "loading": ("Loading the model", "正在加载模型"),
    "checking": (
        "Examining the console, only once: {answers} of {of} answers",
        "正在检查控制台（仅此一次）：已完成 {answers}/{of} 个回答",
    ),
    "checking_rest": (", about {seconds} s left", "，约剩 {seconds} 秒"),
    "done": ("The model {model} is loaded; loading it took {seconds} s.", "模型 {model} 已加载，用时 {seconds} 秒。"),
    "failed": (
        "The model could not be loaded. {bpu} doctor looks for the cause.",
        "模型加载失败。请运行 {bpu} doctor 查找原因。",
    ),
    "slow": (
        "The model was not loaded within {seconds} s; it may still come. GET /health shows the state.",
        "模型在 {seconds} 秒内没有加载完成，可能仍在进行。可用 GET /health 查看状态。",
    ),
    "silent": (
        "The engine's keeper does not answer. Stop the gateway and start it again.",
        "引擎的守护进程（keeper）没有响应。请停止网关后重新启动。",
    ),
    "other_version": (
        "The engine that runs here is of another version of the gateway. Stop the gateway and start it again.",
        "正在运行的引擎来自另一个版本的网关。请停止网关后重新启动。",
    ),
    "needs_root": (
        "{folder} is the folder of another user's gateway, such as the service. Run this with sudo ({sudo_bpu}), or "
        "name the gateway with --url.",
        "{folder} 是其他用户的网关（例如系统服务）的目录。请用 sudo 运行（{sudo_bpu}），或用 --url 指定网关。",
    ),
    "no_gateway": (
        "No gateway is running with the state folder {folder}. Start it ({bpu} serve, or the service), set "
        "BPU_STATE_DIR to its folder, or name it with --url.",
        "没有使用状态目录 {folder} 的网关在运行。请启动网关（{bpu} serve 或服务），"
        "把 BPU_STATE_DIR 设为它的目录，或用 --url 指定网关。",
    ),
}
