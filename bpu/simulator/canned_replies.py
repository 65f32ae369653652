"""Stored answers to the suggested questions of documentation and page, in English and Chinese.

Every other question gets a reply that says that no model is behind it and what the simulator can answer.
Each reply ends with a note that it comes from the simulator. The module holds texts and their lookup only.
"""

from __future__ import annotations

from typing import NamedTuple

from bpu.simulator.tool_calls import ToolCall

NOTE_EN = "(A simulator answered; no model and no BPU is used.)"
NOTE_ZH = "（由模拟器回答，没有使用模型和 BPU。）"


class CannedReply(NamedTuple):
    """One stored answer in one language.

    `calls` are made instead of `text` where all their tools are on offer with these arguments.
    """

    questions: tuple[str, ...]
    reasoning: str
    text: str
    calls: tuple[ToolCall, ...] = ()


_ENGLISH = (
    CannedReply(
        ("Hello", "Hi", "Hello there", "Say hello in one short sentence."),
        "The user greets me. I am the simulator of the board's console, so I greet back and say what I am.",
        "Hello! I am the simulator of the board's console.",
    ),
    CannedReply(
        ("Introduce yourself in one sentence.", "Who are you?"),
        "The user wants to know who answers. I am the simulator of the board's console and not a language model.",
        "I am a simulator that stands in for the console of the language model on an RDK board.",
    ),
    CannedReply(
        ("Why is the sky blue?", "Why is the sky blue? Answer in three sentences."),
        "The user asks for the cause of the blue sky. Sunlight contains all colours. The molecules of the air scatter "
        "light with a strength that falls with the fourth power of the wavelength, so blue at about 450 nm is "
        "scattered roughly four times as much as red at about 650 nm. Why not violet, then? Sunlight contains less of "
        "it, and the eye is less sensitive to it. Three sentences are enough for this.",
        "Sunlight contains all colours, and the molecules of the air scatter light of short wavelengths far more than "
        "light of long ones (Rayleigh scattering, which falls with the fourth power of the wavelength). Blue light "
        "therefore reaches our eyes from every part of the sky, while most of the red light passes straight through. "
        "Violet is scattered even more, but sunlight contains less of it and our eyes are less sensitive to it, so "
        "the sky looks blue.",
    ),
    CannedReply(
        ("What do you see?",),
        "The user asks what I see. No picture came with the question, so I say that, and what is needed for one.",
        "I see nothing: no picture came with the question. Choose a model that sees, and send a picture with it.",
    ),
    CannedReply(
        ("Write a Python function that reverses a string.",),
        "The user wants a Python function that reverses a string. A slice with the step -1 reads the characters from "
        "the last to the first, also for an empty string. I add one example of its use.",
        "A slice with the step -1 reads the characters from the last to the first:\n\n"
        "```python\n"
        "def reverse_string(text: str) -> str:\n"
        '    """Return the characters of `text` in reverse order."""\n'
        "    return text[::-1]\n"
        "\n\n"
        'print(reverse_string("hello"))  # olleh\n'
        "```",
    ),
    CannedReply(
        ("A train covers 180 km in 2.5 hours. What is its mean speed?",),
        "The mean speed is the distance divided by the time: 180 km in 2.5 h. 2.5 times 70 is 175, and 2.5 times 2 is "
        "5, so 180 divided by 2.5 is 72. In metres per second that is 72 / 3.6 = 20.",
        "The mean speed is the distance divided by the time:\n\n"
        "$$v = \\frac{s}{t} = \\frac{180\\,\\text{km}}{2.5\\,\\text{h}} = 72\\,\\text{km/h}$$\n\n"
        "The train's mean speed is **72 km/h**, which is 20 m/s.",
    ),
    CannedReply(
        ("List the inner planets, with a table of their distances from the Sun.",),
        "The inner planets are the four rocky ones: Mercury, Venus, Earth and Mars. Their mean distances are 0.39, "
        "0.72, 1.00 and 1.52 astronomical units. One astronomical unit is 149.6 million km, which gives 57.9, 108.2, "
        "149.6 and 227.9 million km. First a list, then the table.",
        "The four inner planets, from the Sun outwards:\n\n"
        "1. Mercury\n2. Venus\n3. Earth\n4. Mars\n\n"
        "| Planet | Mean distance in AU | Mean distance in million km |\n"
        "|---|---|---|\n"
        "| Mercury | 0.39 | 57.9 |\n"
        "| Venus | 0.72 | 108.2 |\n"
        "| Earth | 1.00 | 149.6 |\n"
        "| Mars | 1.52 | 227.9 |",
    ),
    CannedReply(
        ("Bring me a cup", "Bring me a cup of water"),
        "The user wants a cup. An arm would go to it, grasp it and bring it to the user, with move_to and grasp.",
        "I have no arm: a simulator moves things only where the request offers the tools move_to and grasp.",
        (
            ToolCall("move_to", {"place": "water"}),
            ToolCall("grasp", {"thing": "cup"}),
            ToolCall("move_to", {"place": "user"}),
        ),
    ),
)
_CHINESE = (
    CannedReply(
        ("你好", "您好"),
        "用户在打招呼。我是板端控制台的模拟器，问候之后说明自己是什么。",
        "您好！我是板端控制台的模拟器。",
    ),
    CannedReply(
        ("用一句话介绍你自己。", "你是谁？"),
        "用户想知道是谁在回答。我是板端控制台的模拟器，不是语言模型。",
        "我是一个模拟器，代替 RDK 开发板上语言模型的控制台程序来回答。",
    ),
    CannedReply(
        ("天空为什么是蓝色的？", "天空为什么是蓝色的？用三句话回答。"),
        "用户问天空呈蓝色的原因。太阳光包含各种颜色。空气分子的散射强度与波长的四次方成反比，"
        "因此约 450 nm 的蓝光的散射强度大约是约 650 nm 的红光的四倍。为什么不是紫色？"
        "因为阳光中的紫光较少，人眼对紫光也不够敏感。用三句话就能说清楚。",
        "太阳光包含各种颜色，而空气分子对短波长光的散射远强于长波长光（瑞利散射，强度与波长的四次方成反比）。"
        "因此蓝光从天空的各个方向进入我们的眼睛，而红光大多直接穿过大气。"
        "紫光的散射更强，但阳光中的紫光较少，人眼对它也不够敏感，所以天空看起来是蓝色的。",
    ),
    CannedReply(
        ("这张图片里有什么？",),
        "用户问图片里有什么。问题没有附带图片，所以如实说明，并告诉用户需要什么。",
        "我什么也没有看到：问题没有附带图片。请选择能看图的模型，并附上一张图片。",
    ),
    CannedReply(
        ("写一个反转字符串的 Python 函数。",),
        "用户要一个反转字符串的 Python 函数。步长为 -1 的切片从最后一个字符读到第一个字符，对空字符串也成立。"
        "再加一个使用示例。",
        "步长为 -1 的切片从最后一个字符读到第一个字符：\n\n"
        "```python\n"
        "def reverse_string(text: str) -> str:\n"
        '    """按相反的顺序返回 text 的字符。"""\n'
        "    return text[::-1]\n"
        "\n\n"
        'print(reverse_string("你好"))  # 好你\n'
        "```",
    ),
    CannedReply(
        ("火车 2.5 小时行驶 180 公里，平均速度是多少？",),
        "平均速度等于路程除以时间：2.5 小时行驶 180 公里。2.5 乘以 70 是 175，2.5 乘以 2 是 5，"
        "所以 180 除以 2.5 等于 72。换算成米每秒是 72 / 3.6 = 20。",
        "平均速度等于路程除以时间：\n\n"
        "$$v = \\frac{s}{t} = \\frac{180\\,\\text{km}}{2.5\\,\\text{h}} = 72\\,\\text{km/h}$$\n\n"
        "火车的平均速度是 **72 公里/小时**，即 20 米/秒。",
    ),
    CannedReply(
        ("列出内行星，并用表格给出它们到太阳的距离。",),
        "内行星是四颗岩石行星：水星、金星、地球、火星。它们到太阳的平均距离是 0.39、0.72、1.00 和 1.52 天文单位。"
        "一个天文单位是 1.496 亿公里，也就是 0.579、1.082、1.496 和 2.279 亿公里。先列表，再给出表格。",
        "四颗内行星，从太阳向外：\n\n"
        "1. 水星\n2. 金星\n3. 地球\n4. 火星\n\n"
        "| 行星 | 平均距离（天文单位） | 平均距离（亿公里） |\n"
        "|---|---|---|\n"
        "| 水星 | 0.39 | 0.579 |\n"
        "| 金星 | 0.72 | 1.082 |\n"
        "| 地球 | 1.00 | 1.496 |\n"
        "| 火星 | 1.52 | 2.279 |",
    ),
    CannedReply(
        ("帮我拿杯水",),
        "用户想要一杯水。机械臂要先移动到水的位置，抓住它，再移动到用户身边，需要工具 move_to 和 grasp。",
        "我没有机械臂：只有请求提供了 move_to 和 grasp 这两个工具，模拟器才会调用它们。",
        (
            ToolCall("move_to", {"place": "water"}),
            ToolCall("grasp", {"thing": "水"}),
            ToolCall("move_to", {"place": "user"}),
        ),
    ),
)
_FALLBACK_EN = CannedReply(
    (),
    "I have no stored answer to this. I am the simulator of the board's console and not a language model, so I say so.",
    "I have no answer to this: I am the simulator of the board's console, without a language model. I can add, "
    "subtract, multiply and divide, remember a name or a secret word, call tools, and answer in JSON. `bpu "
    "simulator --help` lists the questions that I know.",
)
_FALLBACK_ZH = CannedReply(
    (),
    "这个问题没有预存的回答。我是板端控制台的模拟器，不是语言模型，应当如实说明。",
    "我回答不了这个问题：我是板端控制台的模拟器，没有语言模型。我会做加减乘除，能记住名字或暗号，能调用工具，"
    "也能用 JSON 回答。`bpu simulator --help` 会列出我能回答的问题。",
)


def _key(question: str) -> str:
    """The question in lower case, without blanks at its ends, doubled blanks and closing punctuation."""
    return " ".join(question.casefold().split()).rstrip(" .!?。！？")


_BY_QUESTION = {_key(question): reply for reply in (*_ENGLISH, *_CHINESE) for question in reply.questions}


def find(question: str) -> CannedReply | None:
    """The stored answer to exactly this question; capitals and closing punctuation do not count."""
    return _BY_QUESTION.get(_key(question))


def fallback(*, chinese: bool) -> CannedReply:
    """The answer to every question without a stored one."""
    return _FALLBACK_ZH if chinese else _FALLBACK_EN


def note(*, chinese: bool) -> str:
    """The last line of every reply in words, which says that a simulator wrote it."""
    return NOTE_ZH if chinese else NOTE_EN


def help_text() -> str:
    """The first wording of every known question, for `--help`."""
    questions = (reply.questions[0] for reply in (*_ENGLISH, *_CHINESE))
    return "questions with a stored answer:\n" + "".join(f"  {question}\n" for question in questions)
