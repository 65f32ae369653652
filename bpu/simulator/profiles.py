"""The console programs as values: what each prints, reads, forgets and answers to wrong arguments.

docs/console-protocol.md names the source of each value, and says where the simulator differs.
"""

from __future__ import annotations

from typing import NamedTuple

#: docs/console-protocol.md#a-turn
PROMPT = "[User] <<< "
ANSWER = "[Assistant] >>> "
GOODBYE = "[system out] >>> 好的，祝您生活愉快，再见~\n"

#: docs/console-protocol.md#start-up
MULTI_TURN = "板端大模型多轮对话交互demo，请输入你的问题并按下回车 \n- 退出请输入exit\n- 清除缓存请输入reset\n"
SINGLE_TURN = "板端大模型对话交互demo，请输入你的问题并按下回车 \n- 退出请输入exit\n- 清除缓存请输入reset\n"
CONTROL_C = "板端大模型多轮对话交互demo，请输入你的问题并按下回车 \n- 退出请 Ctrl C\n- 清除缓存请输入 reset\n"
#: `vlm_demo.cc` of the SDK 1.0.5, without its logo; the names of the model's files stand in between.
IMAGES_READY = "\033[42;37;1m SUCCESS \033[0m \033[32mVLM Demo XLM Engine is ready.\033[0m\n"
IMAGES_FAILED = "\033[41;37;1m  FAILED  \033[0m \033[31mVLM Demo XLM Engine initialization failed.\033[0m\n"
IMAGES = (
    "模型类别：图像、文本对话\n语言模型：{llm}\n视觉模型：{vit}\n\n可用指令:\n- 输入文本：<prompt>\n"
    "- 加载图片：/image <image_path>\n- 重新生成：regen\n- 清除缓存：reset\n- 退出程序：exit\n\n"
)


class Profile(NamedTuple):
    """One console program.

    `reads` is the buffer of its `fgets` in bytes, 0 for `getline`. `reads_ahead`: it reads the next line while it
    generates. `cuts_bad_utf8`: the line ends at the first bad byte. `model_types` are the ones it takes, the first is
    DeepSeek's. `late_model_type`: a wrong one is refused only after the load. `template_exit` is the exit code for a
    template that cannot be read. `config` is the kind of its configuration file, "" where it takes options.
    `own_template`: it wraps lines in a template of its own and reads none.
    """

    name: str
    program: str
    banner: str
    model_types: tuple[int, ...]
    echoes_arguments: bool = True
    echoes_template: bool = False
    flushes: bool = True
    start: str = ANSWER
    end: str = "\n" + PROMPT
    stats: str = "line"
    history: str = "keep"
    reset: str = "works"
    exits: bool = True
    images: bool = False
    reads: int = 0
    reads_ahead: bool = False
    cuts_bad_utf8: bool = False
    config: str = ""
    own_template: bool = False
    goodbye: str = GOODBYE
    ready: str = ""
    failed: str = "xlm init failed\n"
    init_line: bool = True
    late_model_type: bool = False
    template_exit: int = 1


_ALL = (
    # Its source is not public: the buffer is that of `oellm_run`, history that of `hobot_xlm`, both assumed.
    Profile(
        "xlm_demo-0.9.0",
        "xlm_demo",
        MULTI_TURN,
        (3, 0, 1, 2, 4),
        echoes_template=True,
        flushes=False,
        start="\n" + ANSWER,
        reads=10240,
        init_line=False,
    ),
    Profile(
        "oellm_run",
        "oellm_run",
        SINGLE_TURN,
        (1, 0, 4, 7),
        echoes_arguments=False,
        history="none",
        reset="broken",
        reads=10240,
        reads_ahead=True,
        cuts_bad_utf8=True,
    ),
    Profile(
        "oellm_multichat",
        "oellm_multichat",
        MULTI_TURN,
        (1, 7),
        config="plain",
        late_model_type=True,
        template_exit=0,
    ),
    Profile(
        "node",
        "hobot_xlm",
        CONTROL_C,
        (3, 0, 1, 2, 4),
        stats="none",
        reset="broken",
        exits=False,
        reads_ahead=True,
        init_line=False,
    ),
    Profile(
        "vlm",
        "vlm",
        IMAGES,
        (11, 0, 1, 7, 9),
        start="\n" + ANSWER,
        end=PROMPT,
        stats="colour",
        images=True,
        cuts_bad_utf8=True,
        config="vlm",
        own_template=True,
        init_line=False,
        echoes_arguments=False,
        goodbye="",
        ready=IMAGES_READY,
        failed=IMAGES_FAILED,
    ),
    # Its source is not public: no greeting stands in any log, and whether `reset` clears the cache is not known.
    Profile(
        "llm",
        "llm",
        "",
        (1, 7, 9, 11, 12, 13, 14),
        end=PROMPT,
        stats="tps",
        history="none",
        reset="broken",
        reads_ahead=True,
        config="llm",
        own_template=True,
        init_line=False,
        echoes_arguments=False,
        goodbye="",
    ),
)
PROFILES = {profile.name: profile for profile in _ALL}
ALIASES = {"xlm_demo": "xlm_demo-0.9.0", "hobot_xlm": "node"}


class Preset(NamedTuple):
    """Published speeds in tokens per second, and the time of a load.

    The load time of the 7B model is assumed: scaled by its size.
    """

    prefill: float
    decode: float
    load_s: float


#: docs/console-protocol.md#speeds
PRESETS = {
    "s100-1.5b": Preset(635.24, 17.05, 2.0),
    "s100-7b": Preset(279.17, 3.72, 8.0),
    "s100p-1.5b": Preset(1326.40, 26.52, 2.0),
    "s100p-7b": Preset(468.86, 6.68, 8.0),
    "s600-8b": Preset(2040.0, 29.7, 7.66),
}
