"""Texts of `bpu setup`."""

from __future__ import annotations

TEXTS = {
    "help": ("Lead through all steps for a fresh board.", "引导完成新开发板的全部步骤。"),
    "about": (
        "Lead through all steps from a fresh board to Chatbox: SDK, model, memory, clocks, console, service, "
        "addresses. Each step says what it found and which command it would run, and asks. It can be run again at any "
        "time and says what is done already. Commands that need root are run by sudo.\n\n"
        "Example: {bpu} setup --dry-run",
        "引导完成从新开发板到 Chatbox 的全部步骤：SDK、模型、内存、时钟、控制台、服务、地址。"
        "每一步都会说明发现了什么、将运行哪条命令，并询问是否执行。可随时重新运行，已完成的步骤会注明。"
        "需要 root 的命令通过 sudo 运行。\n\n"
        "示例：{bpu} setup --dry-run",
    ),
    "yes": ("Agree to every step.", "同意所有步骤。"),
    "dry_run": ("Show what would be run, and run nothing.", "只显示将运行的命令，不执行。"),
    "sysfs": (
        "Folder that holds another system's proc/, sys/ and dev/ instead of this one's.",
        "用该文件夹中的 proc/、sys/ 和 dev/ 代替当前系统的。",
    ),
    "step_system": ("Board and system", "开发板和系统"),
    "step_sdk": ("SDK", "SDK"),
    "step_model": ("Model", "模型"),
    "step_pools": ("Memory of the BPU", "BPU 内存"),
    "step_performance": ("Performance mode", "性能模式"),
    "step_console": ("What is known of the console", "控制台的已知情况"),
    "step_service": ("Service", "服务"),
    "step_addresses": ("Addresses", "地址"),
    "step_chatbox": ("Chatbox", "Chatbox"),
    "nothing_to_do": ("Nothing to do.", "无需操作。"),
    "by_hand": ("This needs a person: see the lines above.", "需要人工处理：请看上面的说明。"),
    "will_run": ("This would run: {command}", "将运行：{command}"),
    "ask": ("Run it?", "执行吗？"),
    "failed": ("It failed (exit code {code}).", "执行失败（退出码 {code}）。"),
    "restart": (
        "Restart the board now (sudo reboot), then run again: {again}",
        "请现在重启开发板（sudo reboot），然后重新运行：{again}",
    ),
    "stopped": ("What comes next needs this. Then run again: {again}", "后续步骤依赖它。完成后请重新运行：{again}"),
    "left": (
        "Still to do: {names}. Run again at any time: {again}",
        "尚未完成：{names}。可随时重新运行：{again}",
    ),
    "done": ("All is done.", "全部完成。"),
    "where_sdk": (
        "No SDK was found. D-Robotics gives it away: https://developer.d-robotics.cc, RDK documentation, large "
        "language models (S100: D-Robotics_LLM_S100_1.0.0_SDK.tar.gz; S600: D-Robotics_LLM_S600_1.0.5_SDK.tar.gz). "
        "Unpack it, then run this again: it is found in /opt, /userdata, /app and home folders.",
        "没有找到 SDK。请从地瓜机器人获取：https://developer.d-robotics.cc，RDK 文档，大语言模型部分"
        "（S100：D-Robotics_LLM_S100_1.0.0_SDK.tar.gz；S600：D-Robotics_LLM_S600_1.0.5_SDK.tar.gz）。"
        "解压后重新运行：会在 /opt、/userdata、/app 和用户主目录中查找。",
    ),
    "where_model": (
        "Copy the model's .hbm file, tokenizer and template to the board, or name them: {bpu} config set "
        "BPU_HBM_PATH=FILE (docs/board.md, step 2). Models that can be downloaded: {bpu} models available",
        "请把模型的 .hbm 文件、分词器和模板复制到开发板，或指定其位置：{bpu} config set BPU_HBM_PATH=文件"
        "（见 docs/board.zh-CN.md 第 2 步）。可下载的模型：{bpu} models available",
    ),
    "without_systemd": (
        "There is no systemd here. Start the gateway with: {bpu} serve",
        "这里没有 systemd。请这样启动网关：{bpu} serve",
    ),
}
