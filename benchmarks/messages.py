"""Texts of the benchmarks in English and Chinese, beside those of `bench --url` (`bpu/messages/bench.py`)."""

from __future__ import annotations

from typing import Any

from bpu.messages import Language, language, texts

TEXTS = {
    "about": (
        "Measure what the gateway costs: start it with the simulator, beside a bare relay (the least that one HTTP hop "
        "can cost) and, where FastAPI and uvicorn are installed, beside the usual way of one process a request. Every "
        "figure is compared in the same run, in less than five minutes; nothing else should run meanwhile.",
        "测量网关的开销：用模拟器启动网关，并与裸转发（一次 HTTP 转发的最低开销）对比；如果装有 FastAPI 和 uvicorn，"
        "还与常见的每请求一进程方式对比。所有数字都在同一次运行中比较，用时不到五分钟，期间不应运行其他程序。",
    ),
    "short": (
        "About a minute, which only shows that everything works.",
        "约一分钟的短运行，只验证一切正常。",
    ),
    "plot": (
        "Draw the run into this file (.svg, .png); needs matplotlib.",
        "把结果画成图（.svg、.png）；需要 matplotlib。",
    ),
    "only": (
        "Measure only this; may be given several times. One of: {names}.",
        "只测量该项，可多次给出。可选：{names}。",
    ),
    "begins": ("Measuring: {name}", "正在测量：{name}"),
    "no_matplotlib": (
        "matplotlib is not installed, so nothing was drawn: pip install -r requirements-dev.txt",
        "没有安装 matplotlib，因此没有画图：pip install -r requirements-dev.txt",
    ),
    "no_process_per_request": (
        "FastAPI and uvicorn are not installed, so the way of one process a request is not measured: "
        "pip install -r requirements-dev.txt",
        "没有安装 FastAPI 和 uvicorn，因此不测量每请求一进程的方式：pip install -r requirements-dev.txt",
    ),
    "no_compiler": (
        "No C compiler is installed, which this measurement needs: apt install gcc libc6-dev",
        "没有安装这项测量需要的 C 编译器：apt install gcc libc6-dev",
    ),
    "worse": (
        "Warning: {figure}: {now}, was {before} in the published run of {date}.",
        "警告：{figure}：{now}，在 {date} 公布的结果中为 {before}。",
    ),
    "not_worse": (
        "No ratio is worse by more than a quarter than in the published run of {date}.",
        "与 {date} 公布的结果相比，没有任何比值变差超过四分之一。",
    ),
    "head_relay": ("bare relay", "裸转发"),
    "head_process_per_request": ("one process a request", "每请求一进程"),
    "row_first_token": ("first token, warm, at 50 tokens/s", "首个 token（已加载，50 tokens/s）"),
    "row_first_token_cold": ("first token, against a load of 1.5 s", "首个 token（对比 1.5 秒加载）"),
    "row_latency": ("latency of a token at 50 tokens/s", "50 tokens/s 时每个 token 的延迟"),
    "row_cpu": ("processor time for 1,000 tokens at 50 tokens/s", "50 tokens/s 时 1,000 个 token 的处理器时间"),
    "row_throughput": ("streamed, as fast as the console can", "控制台全速时的流式输出"),
    "row_full_speed": ("streamed, over a console that is never the limit", "流式输出（控制台不是瓶颈）"),
    "row_hand_over_1": ("idle BPU between jobs, one worker", "任务之间 BPU 空闲（1 个工作进程）"),
    "row_hand_over_4": ("idle BPU between jobs, four workers", "任务之间 BPU 空闲（4 个工作进程）"),
    "row_turns": ("first token in the last turn of a chat", "对话最后一轮的首个 token"),
    "row_turns_sent_again": ("the same, everything sent again", "同上，但每轮重发全部内容"),
    "row_waiting_cpu": ("processor use of waiting clients", "等待中的客户端占用的处理器"),
    "row_waiting_memory": ("memory of a waiting client", "每个等待中的客户端占用的内存"),
    "row_waiting_health": ("/health while clients wait, p99", "有客户端等待时的 /health（p99）"),
    "row_memory_worker": ("memory of a worker after the start", "启动后工作进程的内存"),
    "row_memory_keeper": ("memory of the keeper", "守护进程的内存"),
    "row_growth_worker": ("growth of a worker, job 1,000 to 4,000", "工作进程内存增长（第 1,000 到 4,000 个任务）"),
    "row_growth_keeper": (
        "growth of the keeper, job 1,000 to 4,000",
        "守护进程内存增长（第 1,000 到 4,000 个任务）",
    ),
    "row_start": ("start to the first /health", "启动到首次 /health"),
    "row_start_ready": ("start to a model that is ready, its load 1.5 s", "启动到模型就绪（加载 1.5 秒）"),
    "row_length": ("processor time of a token in a long answer", "长回答中每个 token 的处理器时间"),
    "row_body_large": ("1 MB in 1,000 messages, refused", "1 MB、1,000 条消息的请求被拒绝"),
    "row_body_small": ("10 kB, counted and queued", "10 kB 的请求完成计数并入队"),
    "row_model_first_token": ("first token, warm, a real model", "首个 token（真实模型，已加载）"),
    "row_model_first_token_peer": ("the same, llama.cpp's own server", "同上，llama.cpp 自带的服务器"),
    "row_model_throughput": ("streamed, a real model", "流式输出（真实模型）"),
    "row_model_throughput_peer": ("the same, llama.cpp's own server", "同上，llama.cpp 自带的服务器"),
    "row_model_turns": ("first token in turn ten of a chat", "对话第十轮的首个 token"),
    "row_model_turns_peer": ("the same, llama.cpp's own server", "同上，llama.cpp 自带的服务器"),
    "row_model_memory": ("memory beyond the model's file", "模型文件之外的内存"),
    "row_model_memory_peer": ("the same, llama.cpp's own server", "同上，llama.cpp 自带的服务器"),
    "row_images_gap_alone": ("longest gap between tokens at 25 tokens/s", "25 tokens/s 时 token 之间的最长间隔"),
    "row_images_gap": ("the same, beside images of 11 MB", "同上，同时有 11 MB 的图片"),
    "row_images_cpu": ("a worker's processor time for such an image", "工作进程处理一张图片的处理器时间"),
    "row_images_memory": ("growth of a worker beside such images", "有此类图片时工作进程内存增长"),
    "row_images_memory_kept": ("the same, afterwards", "同上，结束之后"),
    "check_over_alone_ms": ("{value} ms over that alone", "比单独时多 {value} ms"),
    "check_median_over_peer_ms": ("median {value} ms over the peer", "中位数比对照多 {value} ms"),
    "check_of_peer": ("{value} times the peer's", "对照的 {value} 倍"),
    "check_median_over_relay_ms": ("median {value} ms over the relay", "中位数比裸转发多 {value} ms"),
    "check_p99_over_relay_ms": ("p99 {value} ms over the relay", "p99 比裸转发多 {value} ms"),
    "check_times_sooner_than_process_per_request": ("{value} times sooner", "快 {value} 倍"),
    "check_of_relay": ("{value} times the relay's", "裸转发的 {value} 倍"),
    "check_of_process_per_request": ("{value} times that of one process a request", "每请求一进程的 {value} 倍"),
    "check_median_ms": ("median {value} ms", "中位数 {value} ms"),
    "check_workers_that_served": ("{value} workers served", "{value} 个工作进程参与"),
    "check_last_of_second": ("{value} times turn 2", "第 2 轮的 {value} 倍"),
    "check_percent_of_a_core": ("{value} % of a core", "单核的 {value} %"),
    "check_kb_each": ("{value} kB each", "每个 {value} kB"),
    "check_mb": ("{value} MB", "{value} MB（兆字节）"),
    "check_seconds": ("{value} s", "{value} 秒"),
    "check_long_of_short": ("{value} times that in a short answer", "短回答的 {value} 倍"),
}


def say(key: str, /, *, lang: Language | None = None, **values: Any) -> str:
    """The text of `key` in the terminal's language, with `{placeholders}` filled.

    KeyError if there is none.
    """
    english, chinese = {**texts("bench"), **TEXTS}[key]
    text = chinese if (lang or language()) == "zh" else english
    return text.format(**values) if values else text
