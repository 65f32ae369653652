"""Texts of `doctor`: what it does, and what its checks find in files and memory.

The network's are beside it.
"""

from __future__ import annotations

from bpu.messages import doctor_network

TEXTS = {
    "help": ("Examine the board and name what is missing.", "检查开发板并指出缺少什么。"),
    "about": (
        "Examine board, SDK, model, memory and network, and name what is missing and what to do. It changes nothing. "
        "No root needed; root sees more (who holds the BPU's memory). Exit code: 0 fine, 1 warnings, 2 broken.\n\n"
        "Example: {bpu} doctor --log console.log",
        "检查开发板、SDK、模型、内存和网络，指出缺少什么、该怎么办。不做任何改动。"
        "不需要 root；用 root 能看到更多（谁占用 BPU 内存）。退出码：0 正常，1 有警告，2 有故障。\n\n"
        "示例：{bpu} doctor --log console.log",
    ),
    "json": ("Print JSON for programs.", "输出供程序使用的 JSON。"),
    "probe": (
        "Also load the model and run real turns: speeds, whether `reset` forgets, the longest line. Needs the model "
        "unloaded; takes up to ten minutes.",
        "另外加载模型并实际运行几轮：速度、`reset` 是否真的清除、最长的行。需要模型未被加载；最长约十分钟。",
    ),
    "forget": (
        "Drop what examinations and probes have found out about consoles, and look at nothing else.",
        "删除通过检查和实测得到的关于控制台的结论，不做其他检查。",
    ),
    "log": ("Read a console's saved log and name the fault.", "读取保存的控制台日志并指出故障。"),
    "sysfs": (
        "Folder that holds proc/, sys/ and dev/, for another system than the running one.",
        "包含 proc/、sys/ 和 dev/ 的文件夹，用于检查并非当前运行的系统。",
    ),
    "sum_0": ("All is well.", "一切正常。"),
    "sum_1": ("It can work, with warnings: {warnings}.", "可以工作，但有 {warnings} 条警告。"),
    "sum_2": (
        "It cannot work like this: {broken} broken, {warnings} warnings.",
        "目前无法工作：{broken} 项故障，{warnings} 条警告。",
    ),
    "check_failed": ("The check {name} failed itself: {reason}", "检查 {name} 自身出错：{reason}"),
    "log_clean": (
        "The log shows no fault that is known. If the program stopped, look at its last lines.",
        "日志中没有已知的故障。如果程序停止了，请查看最后几行。",
    ),
    "log_line": ("Shown by: {line}", "依据：{line}"),
    "log_also": ("Also in the log: {line}", "日志中还有：{line}"),
    "board": ("{model}", "{model}"),
    "board_without_console": (
        "{model}: no console program of a language model for this board's BPU is known. The gateway runs those of the "
        "S100, the S100P and the S600.",
        "{model}：没有已知的、可在此开发板 BPU 上运行语言模型的控制台程序。网关支持 S100、S100P 和 S600 的控制台。",
    ),
    "use_processor": (
        "What can be done here: a small model on the processor (BPU_ENGINE=cpu, docs/cpu.md). D-Robotics' own "
        "hobot_llamacpp is a ROS node without HTTP; a llama-server on this board serves OpenAI's API by itself.",
        "可行的办法：在处理器上运行小模型（BPU_ENGINE=cpu，见 docs/cpu.zh-CN.md）。地瓜机器人的 hobot_llamacpp "
        "是不提供 HTTP 的 ROS 节点；在此开发板上运行 llama-server 可直接提供 OpenAI 接口。",
    ),
    "no_board": ("This machine is no D-Robotics board.", "这台机器不是地瓜机器人（D-Robotics）的开发板。"),
    "system": ("{system}; Python {python}; gateway {gateway}", "{system}；Python {python}；网关 {gateway}"),
    "clocks_slow": ("Not at full speed: {names}", "未全速运行：{names}"),
    "clocks_fast": ("At full speed: {names}", "全速运行：{names}"),
    "clocks_unknown": ("The kernel shows no governors here.", "内核没有显示调频策略。"),
    "perf_on": (
        "{sudo_bpu} perf on (until the next restart)",
        "{sudo_bpu} perf on（到下次重启为止）",
    ),
    "cpu_answers": (
        "{model} answers here: a small model on this computer's processor, not the BPU. Its file: {path}",
        "此处由 {model} 回答：运行在本机处理器上的小模型，不是 BPU。模型文件：{path}",
    ),
    "simulator_answers": (
        "The simulator answers here: no model and no BPU is used. On a board, the SDK's files are looked at.",
        "此处由模拟器回答：不使用模型和 BPU。在开发板上会检查 SDK 的文件。",
    ),
    "runtime": ("{path}", "{path}"),
    "no_runtime": ("The SDK's runtime folder {path} is not there.", "没有 SDK 的 runtime 目录 {path}。"),
    "get_sdk": (
        "Unpack the SDK, and set BPU_RUNTIME_DIR to its runtime folder (docs/board.md, step 2).",
        "解压 SDK，并把 BPU_RUNTIME_DIR 设为其 runtime 目录（见 docs/board.zh-CN.md 第 2 步）。",
    ),
    "other_sdk": ("There is an SDK in {path}.", "在 {path} 中有一个 SDK。"),
    "service_runs": ("It runs, and starts with the board.", "正在运行，并随开发板启动。"),
    "service_absent": ("It does not run, or does not start with the board.", "没有运行，或没有设为开机启动。"),
    "console": ("{path} (profile {profile})", "{path}（类型 {profile}）"),
    "no_console": ("The console program {path} is not there.", "没有控制台程序 {path}。"),
    "set_console": ("Correct BPU_CONSOLE or BPU_RUNTIME_DIR.", "请更正 BPU_CONSOLE 或 BPU_RUNTIME_DIR。"),
    "not_executable": ("The console program {path} may not be executed.", "控制台程序 {path} 不可执行。"),
    "make_executable": ("chmod +x {path}", "chmod +x {path}"),
    "wrong_machine": (
        "The console {path} is made for the board's processor, this machine is {machine}.",
        "控制台程序 {path} 是为开发板的处理器编译的，而这台机器是 {machine}。",
    ),
    "use_board": (
        "Run it on the board, or set BPU_ENGINE=simulator.",
        "请在开发板上运行，或设置 BPU_ENGINE=simulator。",
    ),
    "not_asked": ("The libraries could not be asked for: {reason}", "无法查询所需的库：{reason}"),
    "libraries_missing": ("The loader would miss: {names}", "加载器会找不到：{names}"),
    "set_runtime": (
        "They belong in {path}: set BPU_RUNTIME_DIR to the SDK's runtime folder, or copy the SDK whole.",
        "它们应在 {path} 中：请把 BPU_RUNTIME_DIR 设为 SDK 的 runtime 目录，或完整复制 SDK。",
    ),
    "libraries": ("All found (with {path})", "全部找到（含 {path}）"),
    "no_stdbuf": ("stdbuf is missing: answers would come in blocks.", "缺少 stdbuf：回答会成块到来。"),
    "get_stdbuf": ("sudo apt install coreutils", "sudo apt install coreutils"),
    "static_console": (
        "The console does not use the system's C library, so stdbuf cannot unbuffer it.",
        "控制台没有使用系统的 C 库，stdbuf 无法关闭其缓冲。",
    ),
    "buffers_itself": (
        "The console sets its own buffering, so stdbuf may be without effect.",
        "控制台自己设置缓冲，stdbuf 可能无效。",
    ),
    "watch_stream": (
        "If an answer comes in blocks, it is this; `doctor --probe` shows it.",
        "如果回答成块到来，就是这个原因；`doctor --probe` 可以看到。",
    ),
    "stdbuf": ("There; the console's words come at once.", "已安装；控制台的输出会立即到达。"),
    "model": ("{path}, {size}, context {context}", "{path}，{size}，上下文 {context}"),
    "no_model": ("The model file {path} is not there.", "没有模型文件 {path}。"),
    "model_tiny": (
        "The model file {path} has {size} bytes only: it was not copied whole.",
        "模型文件 {path} 只有 {size} 字节：没有完整复制。",
    ),
    "get_model": (
        "Copy it to the board, and set BPU_HBM_PATH (docs/board.md, step 2).",
        "把它复制到开发板，并设置 BPU_HBM_PATH（见 docs/board.zh-CN.md 第 2 步）。",
    ),
    "context_too_large": (
        "BPU_CONTEXT_SIZE is {context}, but the file's name says {named}.",
        "BPU_CONTEXT_SIZE 为 {context}，但文件名写的是 {named}。",
    ),
    "lower_context": (
        "Unset BPU_CONTEXT_SIZE: a longer prompt ends the console.",
        "请取消设置 BPU_CONTEXT_SIZE：提示词过长会使控制台退出。",
    ),
    "model_type": ("{number} ({family}, SDK {sdk})", "{number}（{family}，SDK 版本 {sdk}）"),
    "unknown_family": ("{number}; the family of {path} is not known here.", "{number}；不认识 {path} 的模型系列。"),
    "model_type_differs": (
        "It is {number}, but the SDK {sdk} gives {wanted} to {family}.",
        "当前为 {number}，但 SDK {sdk} 中 {family} 的编号是 {wanted}。",
    ),
    "set_model_type": ("BPU_MODEL_TYPE={wanted}", "BPU_MODEL_TYPE={wanted}"),
    "tokenizer": ("{path}", "{path}"),
    "no_tokenizer_dir": ("The tokenizer folder {path} is not there.", "没有分词器目录 {path}。"),
    "set_tokenizer": ("Correct BPU_TOKENIZER_DIR.", "请更正 BPU_TOKENIZER_DIR。"),
    "no_tokenizer": (
        "{path} holds no tokenizer.json: tokens are estimated.",
        "{path} 中没有 tokenizer.json：只能估算 token 数。",
    ),
    "bad_tokenizer": (
        "The tokenizer.json in {path} cannot be read: {reason}",
        "无法读取 {path} 中的 tokenizer.json：{reason}",
    ),
    "copy_tokenizer": ("Copy the tokenizer folder again, whole.", "请重新完整复制分词器目录。"),
    "template": ("{path}", "{path}"),
    "no_template": ("The template {path} cannot be read: {reason}", "无法读取模板 {path}：{reason}"),
    "odd_template": (
        "The template {path} places nothing: it is no chat template.",
        "模板 {path} 没有任何占位：不是对话模板。",
    ),
    "set_template": ("Correct BPU_TEMPLATE_PATH.", "请更正 BPU_TEMPLATE_PATH。"),
    "devices": ("{user} may use {names}", "{user} 可以使用 {names}"),
    "no_devices": ("There are no BPU devices in /dev.", "/dev 中没有 BPU 设备。"),
    "load_driver": ("Look at dmesg: the system's BPU driver is not loaded.", "请查看 dmesg：系统的 BPU 驱动没有加载。"),
    "devices_shut": ("The user {user} may not use {names}.", "用户 {user} 无权使用 {names}。"),
    "open_devices": (
        "Run the gateway as root (the unit does), or give the devices to a group of {user}'s by a udev rule.",
        "请以 root 运行网关（服务单元即如此），或用 udev 规则把设备交给 {user} 所在的组。",
    ),
    "pools_unjudged": (
        "{pools}; {total} in all. Whether that suffices is not known without a model file.",
        "{pools}；共 {total}。没有模型文件，无法判断是否够用。",
    ),
    "no_pools": ("The running system shows no ION pools.", "当前系统没有显示 ION 内存池。"),
    "see_ion_show": (
        "See what the next start will have: {bpu} ion show",
        "查看下次启动时的设置：{bpu} ion show",
    ),
    "pools_too_small": (
        "{pools}: {total} in all, the model needs {need}.",
        "{pools}：共 {total}，而模型需要 {need}。",
    ),
    "largest_too_small": (
        "{pools}: the largest is {largest}, the model is {need}. It may load all the same, or not.",
        "{pools}：最大的为 {largest}，而模型为 {need}。也许能加载，也许不能。",
    ),
    "ion_apply": (
        "{bpu} ion plan {mode}, then {sudo_bpu} ion apply {mode} and restart",
        "{bpu} ion plan {mode}，再 {sudo_bpu} ion apply {mode} 并重启",
    ),
    "no_mode": (
        "No mode of this board's pools holds it: choose a smaller model ({bpu} models available).",
        "本开发板的任何内存池模式都放不下：请选择更小的模型（{bpu} models available）。",
    ),
    "check_refused": ("refused", "拒绝"),
    "refused": ("{reason}", "{reason}"),
    "choose_model": (
        "Correct that, or choose another model: {bpu} models available",
        "请改正，或选择其他模型：{bpu} models available",
    ),
    "check_models": ("models", "模型"),
    "models": ("{rows}", "{rows}"),
    "fit_unknown": ("what it needs, or what the board has, is not known", "不知道它需要多少内存，或不知道开发板有多少"),
    "fit_now": ("fits ({need})", "放得下（{need}）"),
    "fit_perhaps": (
        "may load or not ({need}): all pools hold it, none its weights alone",
        "不一定能加载（{need}）：全部内存池合计够用，但没有一个能单独放下权重",
    ),
    "fit_after": (
        "fits after `ion apply {mode}` and a restart ({need})",
        "执行 `ion apply {mode}` 并重启后放得下（{need}）",
    ),
    "fit_after_perhaps": (
        "may load after `ion apply {mode}` and a restart ({need})",
        "执行 `ion apply {mode}` 并重启后不一定能加载（{need}）",
    ),
    "fit_never": ("never fits this board ({need})", "本开发板永远放不下（{need}）"),
    "pools_suffice": ("{pools}; {total} in all, the model needs {need}", "{pools}；共 {total}，模型需要 {need}"),
    "holders_hidden": ("Who holds the BPU's memory only root may see.", "只有 root 能看到谁占用 BPU 内存。"),
    "as_root": ("{sudo_bpu} doctor", "{sudo_bpu} doctor"),
    "no_holders": ("No process holds the BPU's memory.", "没有程序占用 BPU 内存。"),
    "gateway_holds": ("A gateway's console holds it, as it should: {holders}", "由网关的控制台占用，属正常：{holders}"),
    "some_hold": ("{holders}; {free} is free", "{holders}；空闲 {free}"),
    "pools_held": ("{holders}; only {free} is free, less than the model.", "{holders}；只剩 {free}，不够加载模型。"),
    "reclaim": ("End what is not needed: {bpu} reclaim", "结束不需要的程序：{bpu} reclaim"),
    "cma_zero": (
        "CmaTotal reads 0 in /proc/meminfo: this kernel does not report it there. The board may have some anyway.",
        "/proc/meminfo 中 CmaTotal 为 0：此内核不在那里显示，并不表示没有内存。",
    ),
    "console_open": ("Consoles that serve no gateway: {holders}", "不为任何网关服务的控制台：{holders}"),
    "ram": ("{free} free of {total}", "空闲 {free}，共 {total}"),
    "ram_unknown": ("The kernel does not show how much is free.", "内核没有说明剩余多少。"),
    "ram_little": ("Only {free} free of {total}.", "只剩 {free}，共 {total}。"),
    "ram_gone": ("Nearly none is left: {free} of {total}.", "几乎耗尽：{free}，共 {total}。"),
    "free_ram": ("End other programs.", "请结束其他程序。"),
    **doctor_network.TEXTS,
}
