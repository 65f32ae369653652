"""Texts of `doctor` about the network and of `--probe`, and the names of its checks."""

from __future__ import annotations

TEXTS = {
    "port_free": ("{port} is free", "{port} 空闲"),
    "gateway_runs": ("A gateway runs on {port}: {owner}", "端口 {port} 上有网关在运行：{owner}"),
    "gateway_answers": ("A gateway answers on {port}.", "端口 {port} 上有网关在应答。"),
    "port_taken_by": ("{port} is taken by {owner}", "{port} 被 {owner} 占用"),
    "port_taken": ("{port} is taken; whose it is only root may see.", "{port} 已被占用；只有 root 能看到是谁。"),
    "see_owner": ("sudo ss -ltnp 'sport = :{port}'", "sudo ss -ltnp 'sport = :{port}'"),
    "other_port": (
        "End it, or choose another port: BPU_BIND=0.0.0.0:8001",
        "结束它，或换一个端口：BPU_BIND=0.0.0.0:8001",
    ),
    "addresses": ("API host to give to Chatbox, best first:{urls}", "填入 Chatbox 的 API 主机，最优先的在前：{urls}"),
    "socket_only": (
        "The gateway listens on a socket file only ({bind}): Chatbox cannot reach it.",
        "网关只监听套接字文件（{bind}）：Chatbox 无法连接。",
    ),
    "loopback_only": (
        "The gateway listens on this machine only ({bind}): Chatbox elsewhere cannot reach it.",
        "网关只监听本机（{bind}）：其他机器上的 Chatbox 无法连接。",
    ),
    "open_bind": ("BPU_BIND=0.0.0.0:8000", "BPU_BIND=0.0.0.0:8000"),
    "nowhere": (
        "This machine has no address that others reach; on itself it is {url}/v1",
        "本机没有其他机器能访问的地址；在本机上是 {url}/v1",
    ),
    "connect_cable": (
        "Connect the USB or network cable, or Wi-Fi.",
        "请连接 USB 线、网线或 Wi-Fi。",
    ),
    "address_fixed": ("{ip} on {interface} is fixed.", "{interface} 上的 {ip} 是固定地址。"),
    "address_dynamic": (
        "{ip} on {interface} is from DHCP and may change some day.",
        "{interface} 上的 {ip} 来自 DHCP，以后可能变化。",
    ),
    "make_static": (
        'sudo nmcli connection modify "{name}" ipv4.method manual ipv4.addresses {ip}/{prefix} ipv4.gateway {gateway}\n'
        'sudo nmcli connection up "{name}"',
        'sudo nmcli connection modify "{name}" ipv4.method manual ipv4.addresses {ip}/{prefix} ipv4.gateway {gateway}\n'
        'sudo nmcli connection up "{name}"',
    ),
    "ufw_active": ("The board's firewall is on.", "开发板的防火墙已开启。"),
    "ufw_allow": ("sudo ufw allow {port}/tcp", "sudo ufw allow {port}/tcp"),
    "windows_hint": (
        "If Chatbox on Windows does not reach it: allow Chatbox in the firewall's outbound rules, take the USB network "
        "for a private one, and share the internet (ICS) with the USB adapter, which gives 192.168.137.x.",
        "如果 Windows 上的 Chatbox 连不上：在防火墙出站规则中允许 Chatbox，把 USB 网络设为专用网络，"
        "并把互联网连接共享（ICS）给 USB 网卡（地址为 192.168.137.x）。",
    ),
    "probing_load": ("Loading the model ...", "正在加载模型……"),
    "probing_speed": ("Asking a first question ...", "正在问第一个问题……"),
    "probing_reset": ("Examining what the console remembers ...", "正在检查控制台的记忆……"),
    "probing_line": ("Trying a line of {size} bytes ...", "正在测试 {size} 字节的行……"),
    "probe_load": ("Model loaded in {seconds} s", "模型加载用时 {seconds} 秒"),
    "probe_speed": (
        "First token after {first} s, then {rate} tokens/s",
        "首个 token 用时 {first} 秒，之后每秒 {rate} 个 token",
    ),
    "probe_blocks": ("The answer came in one block, not token by token.", "回答是一整块到来的，而不是逐个 token。"),
    "probe_no_reset": ("This console has no reset.", "此控制台没有 reset 命令。"),
    "probe_resets": (
        "The console keeps a conversation, and reset empties its memory.",
        "控制台会保留对话，reset 会清空记忆。",
    ),
    "probe_reset_broken": (
        "reset forgets nothing: the gateway restarts the console between conversations.",
        "reset 什么也不清除：网关会在不同对话之间重启控制台。",
    ),
    "probe_reset_unknown": (
        "The model's answers did not show whether reset works: the gateway restarts the console between conversations.",
        "从模型的回答看不出 reset 是否有效：网关会在不同对话之间重启控制台。",
    ),
    "probe_reset_settings": (
        "The model's answers did not show whether reset works. The gateway goes by BPU_RESET={setting}.",
        "从模型的回答看不出 reset 是否有效。网关以 BPU_RESET={setting} 为准。",
    ),
    "record_forgotten": (
        "{count} records of consoles were dropped from {folder}; a running gateway goes by them until its next load.",
        "已从 {folder} 删除 {count} 份控制台记录；正在运行的网关在下次加载之前仍按原结论工作。",
    ),
    "record_not_forgotten": (
        "The records in {folder} cannot be dropped: {reason}",
        "无法删除 {folder} 中的记录：{reason}",
    ),
    "record_owner": ("Run it as the user of the gateway, or with sudo.", "请以网关的用户身份运行，或使用 sudo。"),
    "record_public": (
        "Its memory is publicly known, and it is trusted if its banner fits. Findings are kept in {folder}",
        "其记忆方式已公开，若欢迎语相符即被信任。结论保存在 {folder}",
    ),
    "record_settings": (
        "Decided by BPU_RESET={setting}, which the gateway sets itself for the processor's program, and not by an "
        "examination: history {history}, reset {reset}",
        "由 BPU_RESET={setting} 决定（在处理器上运行时由网关自行设定），不取决于检查：对话历史{history}，reset {reset}",
    ),
    "record_none": (
        "This console has not been examined yet. What is found out will be kept in {folder}",
        "该控制台还没有被检查过。结论将保存在 {folder}",
    ),
    "record_found": (
        "Examined on {date}: history {history}, reset {reset}. Kept in {folder}",
        "检查日期 {date}：对话历史{history}，reset {reset}。保存在 {folder}",
    ),
    "record_tried": (
        "Examined {tries} times without a result: the gateway restarts the console between conversations. "
        "Kept in {folder}",
        "检查了 {tries} 次，没有得出结论：网关会在不同对话之间重启控制台。保存在 {folder}",
    ),
    "record_checking": (
        "The console is being examined, only once: {answers} of {of} answers{rest}",
        "正在检查控制台（仅此一次）：已完成 {answers}/{of} 个回答{rest}",
    ),
    "turn_end_statistics": (
        "The end of an answer is known at once by its statistics; without them after {seconds} s of silence",
        "凭统计信息可立即判断回答结束；没有统计信息时，需静默 {seconds} 秒",
    ),
    "turn_end_silence": (
        "The end of an answer is known after {seconds} s of silence, because the console prints no statistics or none "
        "that prove it",
        "需静默 {seconds} 秒才能判断回答结束，因为控制台没有打印统计信息，或其统计信息不足以证明",
    ),
    "turn_end_blocks": (
        "The console buffers its output in blocks, so the end of an answer cannot be proven: the console is ended "
        "after every answer, and the model is loaded anew.",
        "控制台按块缓冲输出，无法证明回答已结束：每次回答后都会结束控制台并重新加载模型。",
    ),
    "turn_end_unbuffered": (
        "stdbuf has no effect on a statically linked program. Use a console of the SDK that is linked dynamically.",
        "stdbuf 对静态链接的程序无效。请使用 SDK 中动态链接的控制台。",
    ),
    "record_kept": ("kept", "会保留"),
    "record_unknown": ("unknown", "未知"),
    "record_works": ("works", "有效"),
    "record_unused": ("is not used", "不使用"),
    "record_broken": ("forgets nothing", "无效（什么也不清除）"),
    "record_examine": (
        "To examine it now: {bpu} examine",
        "立即检查：{bpu} examine",
    ),
    "record_probe": (
        "To examine it now: {bpu} doctor --probe",
        "立即检查：{bpu} doctor --probe",
    ),
    "record_forget": (
        "After a change that it cannot know of: {bpu} doctor --forget",
        "如有它无法察觉的变化，请运行：{bpu} doctor --forget",
    ),
    "probe_line": ("A line of {longest} bytes is taken whole", "{longest} 字节的行能完整接收"),
    "probe_line_short": (
        "A line of {split} bytes is taken for two questions; {longest} are safe.",
        "{split} 字节的行会被当成两个问题；{longest} 字节以内是安全的。",
    ),
    "probe_line_kept": (
        "A line of {split} bytes is taken for two questions; {longest} are safe, and the gateway sends no longer one.",
        "{split} 字节的行会被当成两个问题；{longest} 字节以内是安全的，网关不会发送更长的行。",
    ),
    "set_line_limit": ("BPU_LINE_LIMIT={longest}", "BPU_LINE_LIMIT={longest}"),
    "probe_refused": (
        "A model is loaded already, by {holder}; two do not fit.",
        "模型已被 {holder} 加载；放不下第二个。",
    ),
    "unload_first": (
        "Stop the gateway for a while: sudo systemctl stop bpu-gateway",
        "请暂时停止网关：sudo systemctl stop bpu-gateway",
    ),
    "probe_failed": ("The probe ended early: {reason}", "实测提前结束：{reason}"),
    "probe_log": (
        "Start the console by hand with its output in a file, and read it with: {bpu} doctor --log FILE",
        "请手动启动控制台并把输出存成文件，再运行：{bpu} doctor --log FILE",
    ),
    "check_board": ("board", "开发板"),
    "check_system": ("system", "系统"),
    "check_performance": ("clocks", "时钟"),
    "check_engine": ("engine", "引擎"),
    "check_runtime": ("runtime", "runtime"),
    "check_console": ("console", "控制台"),
    "check_libraries": ("libraries", "库"),
    "check_stdbuf": ("stdbuf", "stdbuf"),
    "check_model": ("model", "模型"),
    "check_model_type": ("model type", "模型类型"),
    "check_tokenizer": ("tokenizer", "分词器"),
    "check_template": ("template", "模板"),
    "check_devices": ("devices", "设备"),
    "check_ion": ("BPU memory", "BPU 内存"),
    "check_holders": ("held by", "占用者"),
    "check_cma": ("CMA", "CMA"),
    "check_consoles": ("consoles", "其他控制台"),
    "check_ram": ("RAM", "内存"),
    "check_port": ("port", "端口"),
    "check_addresses": ("addresses", "地址"),
    "check_static": ("fixed address", "固定地址"),
    "check_firewall": ("firewall", "防火墙"),
    "check_service": ("service", "服务"),
    "check_windows": ("Windows", "Windows"),
    "check_log": ("log", "日志"),
    "check_record": ("findings", "结论"),
    "check_turn_end": ("end of a turn", "回答的结束"),
    "check_probe": ("probe", "实测"),
}
