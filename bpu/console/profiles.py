"""What is known of each console program before it runs, and what its banner adds.

It holds values only; docs/console-protocol.md names the public source, log or document behind each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

#: `fgets` with a buffer of 10240 bytes: 10238 and the newline and the NUL (docs/console-protocol.md#input).
_FGETS_LINE = 10238


@dataclass(frozen=True)
class PublicKnowledge:
    """What is publicly known of a console's memory, once `confirm_profile` has recognized the program.

    `stateless`: every line is a new chat. `measured`: it was measured on a console whose source is not public, so an
    examination is still worthwhile.
    """

    retains_history: bool = False
    reset_works: bool = False
    stateless: bool = False
    measured: bool = False


@dataclass(frozen=True)
class Profile:
    """What is known of one console program.

    `echoes_template`: it prints the rendered prompt before its answer. `multi_turn`: it keeps the chat in its
    cache; None: not known before its banner. `line_limit`: the longest line it reads whole, in bytes, without
    the newline; None: no limit. `commands` are lines that are no question, `command_prefixes` begin such lines.
    `reset` and `exit` are the lines that clear the cache and end the program, None where there is none.
    `line_break`: this text in a line is a line break for the model; "" where no such text is known.
    `joins_turns`: before a later line it puts what the template has between an answer and a question.
    `statistics` are the kinds of lines with figures that it may print (`stats` has their shapes): of a kind that it
    never prints, a line is text. `reads_ahead`: it reads the next line while it still answers, so that a line that
    was read proves no prompt (true for an unknown one). `step_tokens`: how many tokens it may print at once
    (speculative decoding, which any new SDK may bring). `public_knowledge` counts only with a greeting of
    `multi_turn`'s kind. `ineffective_reset`: its `reset` is known to forget nothing. `stateless_key`: the key of its
    configuration file that makes every line a new chat where its value is false. `image_command` begins a line that
    makes it read image files, whose paths follow with commas between them; b"" where it takes none.
    """

    name: str
    echoes_template: bool = False
    multi_turn: bool | None = None
    line_limit: int | None = None
    commands: tuple[bytes, ...] = (b"exit", b"reset")
    command_prefixes: tuple[bytes, ...] = ()
    reset: bytes | None = b"reset"
    exit: bytes | None = b"exit"
    line_break: str = ""
    joins_turns: bool = False
    public_knowledge: PublicKnowledge | None = None
    ineffective_reset: bool = False
    stateless_key: str = ""
    statistics: tuple[str, ...] = ("performance", "prefill", "decode")
    reads_ahead: bool = True
    step_tokens: int = 5
    image_command: bytes = b""


_ALL = (
    # Its source is not public. It is treated as stateful, because a public copy of its demo is.
    Profile("xlm_demo", echoes_template=True, line_limit=_FGETS_LINE),
    # Sources of what is known of memory: docs/console-protocol.md#memory.
    Profile("oellm_run", multi_turn=False, line_limit=_FGETS_LINE, public_knowledge=PublicKnowledge(stateless=True)),
    Profile(
        "oellm_multichat",
        multi_turn=True,
        reads_ahead=False,
        public_knowledge=PublicKnowledge(retains_history=True, reset_works=True),
    ),
    # The public node's local mode prints the prompt on `reset` and forgets nothing: its flag is never set.
    Profile(
        "hobot_xlm", multi_turn=True, public_knowledge=PublicKnowledge(retains_history=True), ineffective_reset=True
    ),
    Profile(
        "vlm",
        multi_turn=True,
        commands=(b"exit", b"reset", b"regen"),
        command_prefixes=(b"/image",),
        statistics=("vit", "prefill", "decode", "performance"),
        reads_ahead=False,
        public_knowledge=PublicKnowledge(retains_history=True, reset_works=True),
        image_command=b"/image ",
    ),
    # The gateway's own program for a computer without a board.
    Profile(
        "cpu_console", echoes_template=True, multi_turn=True, line_break="\N{SYMBOL FOR NEWLINE}", joins_turns=True
    ),
    # It is not known whether it echoes; a parser that expects an echo also works without one. Users of the SDK 1.0.2
    # have measured that `"enable_multi_turn": false` makes every line a new chat.
    Profile(
        "llm",
        echoes_template=True,
        stateless_key="enable_multi_turn",
        statistics=("performance", "prefill", "decode", "tps", "other"),
    ),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _ALL})

#: The commands of every known console: a line must stay a question for each of them.
COMMANDS = frozenset(command for profile in _ALL for command in profile.commands)
COMMAND_PREFIXES = tuple(sorted({prefix for profile in _ALL for prefix in profile.command_prefixes}))

#: docs/console-protocol.md#start-up. The image console names its kind instead: it always keeps the chat.
_GREETING = re.compile(r"(?:大模型|模型类别：)(多轮|图像、文本)?对话")


def profile_for(program_name: str) -> Profile:
    """Return the profile of a program by its name or path.

    An unknown one gets `xlm_demo`, the most tolerant.
    """
    base = program_name.rsplit("/", 1)[-1]
    named = [profile for name, profile in PROFILES.items() if base.startswith(name)]
    return max(named, key=lambda profile: len(profile.name), default=PROFILES["xlm_demo"])


def confirm_profile(profile: Profile, banner: str, configuration: Mapping[str, object] | None = None) -> Profile:
    """Complete `profile` by the banner and the configuration.

    `banner` is the text of `Ready`; the process has read the configuration. The greeting says whether the console keeps
    the chat, and the lines below it which commands it offers; a banner in unknown words changes no command.
    `public_knowledge` counts only with a greeting like that of the public source, because another program may have the
    same name. A single-turn greeting alone does not prove that the console forgets.
    """
    greeting = _GREETING.search(banner)
    profile = replace(profile, public_knowledge=_public_knowledge(profile, greeting, configuration or {}))
    if greeting is None:
        return profile
    return replace(
        profile,
        multi_turn=greeting[1] is not None,
        reset=b"reset" if "reset" in banner else None,
        exit=b"exit" if "exit" in banner else None,
    )


def _public_knowledge(
    profile: Profile, greeting: re.Match[str] | None, configuration: Mapping[str, object]
) -> PublicKnowledge | None:
    if profile.stateless_key:
        stateless = configuration.get(profile.stateless_key) is False
        return PublicKnowledge(stateless=True, measured=True) if stateless else None
    matches = greeting is not None and (greeting[1] is not None) is profile.multi_turn
    return profile.public_knowledge if matches else None
