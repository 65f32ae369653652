"""Short replies to everyday questions, in the language of the question. It never pretends to be a model."""

from __future__ import annotations

import re
from collections.abc import Callable

from bpu.simulator.conversation import is_chinese

CODE_EN = (
    "Here is a small program (from a simulator, no BPU is used):\n\n```python\n{body}\n```\n\n"
    "Run it with `python3 {name}.py`."
)
CODE_ZH = "这是一个小程序（来自模拟器，没有使用 BPU）：\n\n```python\n{body}\n```\n\n用 `python3 {name}.py` 运行它。"

_TALK: tuple[tuple[str, str, str], ...] = (
    (
        r"^\s*(?:hi|hello|hey|good (?:morning|evening|day))\b|^\s*(?:你好|您好|嗨|哈喽|早上好|晚上好)",
        "Hello! I am a simulator of the board's console, no BPU is used. How can I help?",
        "你好！我是板端控制台的模拟器，没有使用 BPU。有什么可以帮你？",
    ),
    (
        r"who are you|what are you|your name|which model|introduce yourself"
        r"|你是谁|你叫什么|介绍.{0,4}自己|什么模型|哪个模型",
        "I am a simulator that stands in for DeepSeek R1 on an RDK board. No BPU is used; "
        "my answers are made by rules.",
        "我是一个模拟器，代替 RDK 板上的 DeepSeek R1 作答。没有使用 BPU，我的回答由规则产生。",
    ),
    (
        r"\bjoke\b|funny|笑话|段子",
        "Why did the token cross the pipe? To get to the other side of the buffer. (A simulator's joke, no BPU used.)",
        "为什么字节要排队？因为管道里一次只能过一个。（模拟器的笑话，没有使用 BPU。）",
    ),
    (
        r"\bthank|谢谢|多谢|感谢",
        "You are welcome! (This is a simulator, no BPU is used.)",
        "不客气！（这是模拟器，没有使用 BPU。）",
    ),
    (
        r"\b(?:bye|goodbye|see you)\b|再见|拜拜",
        "Goodbye! The simulator stays here, no BPU needed.",
        "再见！模拟器一直在这里，不需要 BPU。",
    ),
    (
        r"\b(?:list|steps|bullet)\b|列表|列出|步骤|清单|几点建议",
        "A list from the simulator (no BPU is used):\n\n"
        "1. **Look** at the question.\n2. **Think** about it.\n3. **Answer** it shortly.",
        "模拟器给出的列表（没有使用 BPU）：\n\n1. **看**问题。\n2. **想**一想。\n3. **简短**地回答。",
    ),
    (
        r"\btable\b|表格",
        "| board | prefill | decode |\n|---|---|---|\n| S100 | 635.24 | 17.05 |\n| S100P | 1326.40 | 26.52 |\n\n"
        "Published speeds in tokens/s; this is a simulator, no BPU is used.",
        "| 板卡 | 预填充 | 解码 |\n|---|---|---|\n| S100 | 635.24 | 17.05 |\n| S100P | 1326.40 | 26.52 |\n\n"
        "单位是 token/s；这是模拟器，没有使用 BPU。",
    ),
    (
        r"\bwhat can you do\b|\bhelp\b|你能做什么|你会什么|帮助",
        "As a simulator (no BPU is used) I can greet, add numbers, tell a joke, call tools and write JSON.",
        "作为模拟器（没有使用 BPU），我可以打招呼、做算术、讲笑话、调用工具、写 JSON。",
    ),
    (
        r"weather|天气",
        "I am a simulator without a window, and no BPU is used: I cannot see the weather. Give me a tool for it.",
        "我是模拟器，没有窗户，也没有使用 BPU：我看不到天气。给我一个工具就可以查。",
    ),
)
_SUM = re.compile(r"(-?\d+(?:\.\d+)?)\s*([-+*/x×÷加减乘除])\s*(?:以|上|去)?\s*(-?\d+(?:\.\d+)?)")
_CODE = re.compile(r"\b(?:code|program|function|script|python)\b|代码|程序|函数|脚本", re.I)
_REPEAT = re.compile(
    r"^\s*(?:please )?(?:repeat|say|echo)(?: after me)?\s*[:：]?\s+(.+)$|^\s*(?:请)?(?:重复|复述|说)\s*[:：]?\s*(.+)$",
    re.I | re.S,
)
_TRANSLATE = re.compile(r"\btranslate\b.*?[:：]\s*(.+)$|(?:翻译).{0,12}?[:：]\s*(.+)$", re.I | re.S)

_OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}
_SIGNS = {"x": "*", "×": "*", "乘": "*", "÷": "/", "除": "/", "加": "+", "减": "-"}


def reply(question: str) -> str:
    """The reply to `question`; there always is one."""
    chinese = is_chinese(question)
    for rule in (_repeat, _translate, _arithmetic, _code):
        if (text := rule(question, chinese)) is not None:
            return text
    for pattern, english, zh in _TALK:
        if re.search(pattern, question, re.I):
            return zh if chinese else english
    return _fallback(question, chinese)


def _repeat(question: str, chinese: bool) -> str | None:
    match = _REPEAT.search(question)
    return (match.group(1) or match.group(2)).strip().strip("\"'“”") if match else None


def _translate(question: str, chinese: bool) -> str | None:
    if not (match := _TRANSLATE.search(question)):
        return None
    text = (match.group(1) or match.group(2)).strip()
    if chinese:
        return f"模拟器不会翻译（没有使用 BPU），原文是：{text}"
    return f"A simulator cannot translate (no BPU is used); the text was: {text}"


def _arithmetic(question: str, chinese: bool) -> str | None:
    if not (match := _SUM.search(question)):
        return None
    left, sign, right = match.groups()
    sign = _SIGNS.get(sign, sign)
    if sign == "/" and float(right) == 0:
        return "除数不能是零。" if chinese else "A division by zero has no result."
    value = f"{_OPERATIONS[sign](float(left), float(right)):.12g}"
    if chinese:
        return f"{left} {sign} {right} = **{value}**。（由模拟器计算，没有使用 BPU。）"
    return f"{left} {sign} {right} = **{value}**. (Worked out by a simulator, no BPU is used.)"


def _code(question: str, chinese: bool) -> str | None:
    if not _CODE.search(question):
        return None
    body = 'def greet(name: str) -> str:\n    return f"Hello, {name}!"\n\n\nprint(greet("BPU"))'
    return (CODE_ZH if chinese else CODE_EN).format(body=body, name="greet")


def _fallback(question: str, chinese: bool) -> str:
    about = question.strip().replace("\n", " ")
    about = about if len(about) <= 40 else about[:40] + "…"
    if chinese:
        return f"你说的是“{about}”。我只是一个模拟器，没有使用 BPU，所以只能简短地回答：收到。"
    return f"You said “{about}”. I am only a simulator and no BPU is used, so my answer is short: understood."
