"""Explains each error code in the terminal's language.

Clients of the API match the English words, so those stay beside it.
"""

from __future__ import annotations

TEXTS = {
    "internal_error": ("The gateway made a mistake.", "网关内部出错，请附上日志反馈"),
    "invalid_value": ("A value cannot be used.", "某个值无法使用，请改正"),
    "context_length_exceeded": (
        "The conversation does not fit the model's context.",
        "对话超出模型的上下文，请缩短内容，或用 /new 开始新对话",
    ),
    "invalid_api_key": ("The API key is missing or wrong.", "API 密钥缺失或错误，请用 --key 给出"),
    "forbidden": ("This gateway does not serve this client.", "网关拒绝了此请求"),
    "model_not_found": ("There is no such model.", "没有这个模型，请查看 GET /v1/models"),
    "unsupported_endpoint": ("The gateway has no such part of the API.", "网关没有这一部分接口"),
    "request_too_large": ("The request is too large.", "请求太大，请缩短内容"),
    "too_many_connections": (
        "This address has too many connections to the gateway.",
        "此地址到网关的连接过多，请关闭一些，或调大 BPU_CLIENT_CONNECTIONS",
    ),
    "overloaded": ("The gateway has no room for more connections.", "网关的连接已满，请稍后再试"),
    "queue_full": ("The queue is full.", "排队已满，请稍后再试"),
    "queue_timeout": ("The job waited too long.", "排队等待过久，请稍后再试"),
    "engine_unavailable": (
        "The engine cannot run until its fault is fixed; {bpu} doctor looks for it.",
        "引擎无法运行，请按原文提示处理，或运行 {bpu} doctor 查找原因",
    ),
    "engine_crashed": ("The console ended during the answer.", "控制台在回答时退出或失步，请重新提问"),
    "engine_timeout": ("The engine was silent for too long.", "引擎长时间没有响应，请重新提问"),
    "response_format_failed": ("The answer does not have the requested format.", "回答不符合要求的格式，请重新提问"),
    "tool_call_failed": (
        "The call of a strict tool does not fit its parameters.",
        "对 strict 工具的调用不符合其参数定义，请重新提问",
    ),
    "job_cancelled": ("The job was cancelled.", "任务已被取消"),
    "invalid_settings": ("The settings cannot work.", "设置无法使用，请按原文改正"),
}
