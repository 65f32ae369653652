"""What is known of a console before, and what its banner adds."""

from __future__ import annotations

import pytest

from bpu.console.profiles import COMMAND_PREFIXES, COMMANDS, PROFILES, confirmed, profile_for

MULTI = "板端大模型多轮对话交互demo，请输入你的问题并按下回车 \n- 退出请输入exit\n- 清除缓存请输入reset"
SINGLE = "板端大模型对话交互demo，请输入你的问题并按下回车 \n- 退出请输入exit\n- 清除缓存请输入reset"


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("/opt/sdk/bin/xlm_demo", "xlm_demo"),
        ("oellm_run", "oellm_run"),
        ("./bin/oellm_multichat_v2", "oellm_multichat"),
        ("hobot_xlm", "hobot_xlm"),
        ("vlm", "vlm"),
        ("llm", "llm"),
        ("something_else", "xlm_demo"),
        ("", "xlm_demo"),
    ],
)
def test_a_program_is_known_by_its_name(program: str, name: str) -> None:
    assert profile_for(program) is PROFILES[name]


def test_the_banner_says_which_chat_it_is() -> None:
    assert confirmed(PROFILES["xlm_demo"], MULTI).multi_turn is True
    single = confirmed(PROFILES["xlm_demo"], SINGLE)
    assert single.multi_turn is False
    assert not single.forgets
    assert confirmed(PROFILES["oellm_run"], SINGLE) == PROFILES["oellm_run"]


def test_the_image_console_greets_in_its_own_words() -> None:
    banner = "模型类别：图像、文本对话\n语言模型：a.hbm\n\n可用指令:\n- 清除缓存：reset\n- 退出程序：exit\n"
    assert confirmed(PROFILES["vlm"], banner) == PROFILES["vlm"]


def test_the_banner_says_which_commands_there_are() -> None:
    node = confirmed(PROFILES["hobot_xlm"], "板端大模型多轮对话交互demo\n- 退出请 Ctrl C\n- 清除缓存请输入 reset")
    assert (node.exit, node.reset) == (None, b"reset")
    bare = confirmed(PROFILES["xlm_demo"], "板端大模型对话交互demo\n- 退出请输入exit")
    assert (bare.exit, bare.reset) == (b"exit", None)


@pytest.mark.parametrize("banner", ["", "Welcome. Type exit to leave."])
def test_a_banner_in_unknown_words_changes_nothing(banner: str) -> None:
    assert confirmed(PROFILES["vlm"], banner) is PROFILES["vlm"]


def test_the_commands_of_all_consoles_are_known() -> None:
    assert {b"exit", b"reset", b"regen"} <= COMMANDS
    assert COMMAND_PREFIXES == (b"/image",)
    assert {name for name, profile in PROFILES.items() if profile.forgets} == {"oellm_run"}
    assert {name for name, profile in PROFILES.items() if profile.line_limit} == {"xlm_demo", "oellm_run"}
