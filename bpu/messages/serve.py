"""Texts of `bpu serve`."""

from __future__ import annotations

TEXTS = {
    "help": ("Start the server (gunicorn, as `make run`).", "启动服务器（gunicorn，与 `make run` 相同）。"),
    "about": (
        "Start the server, the same way as `make run`. Options stand for the BPU_ variables of docs/settings.md and "
        "win over them; what follows -- goes to gunicorn as it is. Needs no root.\n\n"
        "Example: {bpu} serve --bind 0.0.0.0:9000 --engine simulator",
        "以与 `make run` 相同的方式启动服务器。各选项对应 docs/settings.zh-CN.md 中的 BPU_ 环境变量，并优先于环境变量；"
        "-- 之后的参数原样交给 gunicorn。不需要 root。\n\n"
        "示例：{bpu} serve --bind 0.0.0.0:9000 --engine simulator",
    ),
    "bind": ("Address to listen on: HOST:PORT or unix:PATH.", "监听地址：HOST:PORT 或 unix:PATH。"),
    "workers": ("Number of worker processes.", "工作进程数。"),
    "engine": ("What answers: auto, console, cpu or simulator.", "由谁回答：auto、console、cpu 或 simulator。"),
    "runtime_dir": ("Runtime folder of the SDK.", "SDK 的 runtime 目录。"),
    "console": (
        "Console program, relative to the runtime folder or absolute.",
        "控制台程序，绝对路径或相对于 runtime 目录。",
    ),
    "hbm_path": ("Model file (.hbm).", "模型文件（.hbm）。"),
    "tokenizer_dir": ("Folder that holds tokenizer.json.", "tokenizer.json 所在目录。"),
    "template_path": ("Chat template (.jinja).", "对话模板（.jinja）。"),
    "model_id": ("Model name that clients see.", "客户端看到的模型名称。"),
    "context_size": ("Context of the model, in tokens.", "模型的上下文长度（token）。"),
    "queue_limit": ("How many jobs may wait.", "最多允许多少个任务排队。"),
    "api_keys": ("Accepted API keys, separated by commas.", "允许的 API 密钥，以逗号分隔。"),
    "log_format": ("Form of the log.", "日志格式。"),
    "state_dir": ("Folder of sockets and locks.", "存放套接字和锁的目录。"),
}
