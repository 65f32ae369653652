"""Texts of `bench --url`: its options, the names of its figures, and its errors."""

from __future__ import annotations

TEXTS = {
    "help": ("Measure a running gateway.", "测量正在运行的网关。"),
    "about": (
        "Measure a running gateway over HTTP, one question at a time: first token, what the gateway adds to it, tokens "
        "a second beside the console's own figure, and /health meanwhile. Nothing else should use the gateway "
        "meanwhile. Needs no root.\n\n"
        "Example: {bpu} bench --url http://192.168.127.10:8000",
        "通过 HTTP 测量正在运行的网关，每次一个问题：首个 token、其中网关增加的时间、输出速度（与控制台的数字对比），"
        "以及生成期间的 /health。期间不应有其他程序使用该网关。不需要 root。\n\n"
        "示例：{bpu} bench --url http://192.168.127.10:8000",
    ),
    "url": ("Address of the gateway (http only).", "网关的地址（仅限 http）。"),
    "key": ("API key of the gateway; by default OPENAI_API_KEY.", "网关的 API 密钥；默认取 OPENAI_API_KEY。"),
    "json": ("Print the run as JSON, series included.", "以 JSON 输出结果，包括数据序列。"),
    "short": ("Fewer questions, and so less exact figures.", "问题较少，数字也较不精确。"),
    "no_address": (
        "{url!r} is not an address of the form http://HOST:PORT.",
        "{url!r} 不是 http://HOST:PORT 形式的地址。",
    ),
    "unreachable": ("The gateway cannot be reached: {reason}.", "无法连接网关：{reason}。"),
    "no_answer": ("The gateway gave no answer: {text}", "网关没有给出回答：{text}"),
    "no_figures": (
        "The answer ended without figures (`timings`): this is not a gateway of this project.",
        "回答没有带统计（`timings`）：这不是本项目的网关。",
    ),
    "head_figure": ("figure", "指标"),
    "head_gateway": ("gateway", "网关"),
    "head_aim": ("aim", "目标"),
    "at_most": ("at most {limit}", "至多 {limit}"),
    "at_least": ("at least {limit}", "至少 {limit}"),
    "met": ("met", "达到"),
    "missed": ("missed", "未达到"),
    "row_remote_first_token": ("first token", "首个 token"),
    "row_remote_added": ("what the gateway adds to it", "其中网关增加的时间"),
    "row_remote_console": ("tokens, by the console's own figure", "输出速度（控制台自己的数字）"),
    "row_remote_throughput": ("tokens, as the client gets them", "输出速度（客户端收到的）"),
    "row_remote_health": ("/health while an answer comes, p99", "生成期间的 /health（p99）"),
    "check_of_console": ("{value} times the console's", "控制台的 {value} 倍"),
    "check_p99_ms": ("p99 {value} ms", "p99 {value} ms"),
    "check_added_ms": ("median {value} ms", "中位数 {value} ms"),
}
