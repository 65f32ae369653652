"""What is known of a console before, and what its banner adds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bpu.console.events import Ready
from bpu.console.parser import Parser
from bpu.console.profiles import COMMAND_PREFIXES, COMMANDS, PROFILES, PublicKnowledge, confirm_profile, profile_for

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
    assert confirm_profile(PROFILES["xlm_demo"], MULTI).multi_turn is True
    single = confirm_profile(PROFILES["xlm_demo"], SINGLE)
    assert single.multi_turn is False
    assert single.public_knowledge is None
    assert confirm_profile(PROFILES["oellm_run"], SINGLE) == PROFILES["oellm_run"]


IMAGES = "模型类别：图像、文本对话\n语言模型：a.hbm\n\n可用指令:\n- 清除缓存：reset\n- 退出程序：exit\n"
GREETINGS = {"oellm_run": SINGLE, "oellm_multichat": MULTI, "hobot_xlm": MULTI, "vlm": IMAGES}


@pytest.mark.parametrize("name", GREETINGS)
def test_what_a_program_prints_at_its_start_confirms_what_is_known_of_it(name: str) -> None:
    output = f"[UCP]: log level = 3\nxlm init success\n{GREETINGS[name]}\n[User] <<< "
    ready = Parser(PROFILES[name]).feed(output.encode())[-1]
    assert isinstance(ready, Ready)
    assert confirm_profile(PROFILES[name], ready.banner) == PROFILES[name]


def test_the_banner_says_which_commands_there_are() -> None:
    node = confirm_profile(PROFILES["hobot_xlm"], "板端大模型多轮对话交互demo\n- 退出请 Ctrl C\n- 清除缓存请输入 reset")
    assert (node.exit, node.reset) == (None, b"reset")
    bare = confirm_profile(PROFILES["xlm_demo"], "板端大模型对话交互demo\n- 退出请输入exit")
    assert (bare.exit, bare.reset) == (b"exit", None)


@pytest.mark.parametrize("banner", ["", "Welcome. Type exit to leave."])
def test_a_banner_in_unknown_words_changes_no_command_and_confirms_no_public_knowledge(banner: str) -> None:
    assert confirm_profile(PROFILES["vlm"], banner) == replace(PROFILES["vlm"], public_knowledge=None)


STATELESS = PublicKnowledge(stateless=True)
FULL = PublicKnowledge(retains_history=True, reset_works=True)


@pytest.mark.parametrize(
    ("name", "banner", "expected"),
    [
        ("oellm_run", SINGLE, STATELESS),
        ("oellm_run", MULTI, None),
        ("oellm_multichat", MULTI, FULL),
        ("oellm_multichat", SINGLE, None),
        ("vlm", MULTI, FULL),
        ("vlm", SINGLE, None),
        ("hobot_xlm", MULTI, PublicKnowledge(retains_history=True)),
        ("hobot_xlm", SINGLE, None),
        ("xlm_demo", MULTI, None),
        ("xlm_demo", SINGLE, None),
        ("llm", MULTI, None),
    ],
)
def test_public_knowledge_needs_the_name_and_the_matching_banner(
    name: str, banner: str, expected: PublicKnowledge | None
) -> None:
    assert confirm_profile(PROFILES[name], banner).public_knowledge == expected
    assert confirm_profile(PROFILES[name], "").public_knowledge is None


@pytest.mark.parametrize("value", [True, None, 0, "false", "", []])
def test_only_a_literal_false_makes_llm_stateless(value: object) -> None:
    profile = PROFILES["llm"]
    assert confirm_profile(profile, "", {"enable_multi_turn": False}).public_knowledge == PublicKnowledge(
        stateless=True, measured=True
    )
    assert confirm_profile(profile, "", {"enable_multi_turn": value}).public_knowledge is None
    assert confirm_profile(profile, "", {}).public_knowledge is None
    assert confirm_profile(PROFILES["xlm_demo"], MULTI, {"enable_multi_turn": False}).public_knowledge is None


def test_the_commands_of_all_consoles_are_known() -> None:
    assert {b"exit", b"reset", b"regen"} <= COMMANDS
    assert COMMAND_PREFIXES == (b"/image",)
    assert {name for name, profile in PROFILES.items() if profile.ineffective_reset} == {"hobot_xlm"}
    assert {name for name, profile in PROFILES.items() if profile.line_limit} == {"xlm_demo", "oellm_run"}
