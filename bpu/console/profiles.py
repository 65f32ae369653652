"""What is known of each console program before it has said a word, and what its banner adds.

Values only; the sources behind them are public code and logs of the SDKs, version by version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

#: `fgets` with a buffer of 10240 bytes: 10238 and the newline and the NUL.
_FGETS_LINE = 10238


@dataclass(frozen=True)
class Profile:
    """One console program.

    `echoes_template`: it prints the rendered prompt before its answer. `multi_turn`: it keeps the chat in its
    cache; None: not known before its banner. `line_limit`: the longest line it reads whole, in bytes, without
    the newline; None: no limit. `commands` are lines that are no question, `command_prefixes` begin such lines.
    `reset` and `exit` are the lines that clear the cache and end the program, None where there is none.
    `line_break`: this text in a line is a line break for the model; "" where no such text is known.
    `joins_turns`: before a later line it puts what the template has between an answer and a question.
    `forgets`: every line is known to be a new chat, so that no reset is ever needed. `statistics` are the kinds of
    lines with figures that it may print (`stats` has their shapes): of a kind that it never prints, a line is text.
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
    forgets: bool = False
    statistics: tuple[str, ...] = ("performance", "prefill", "decode")


_ALL = (
    # Its source is not public. It is treated as stateful, because a public copy of its demo is.
    Profile("xlm_demo", echoes_template=True, line_limit=_FGETS_LINE),
    Profile("oellm_run", multi_turn=False, line_limit=_FGETS_LINE, forgets=True),
    Profile("oellm_multichat", multi_turn=True),
    # It prints the prompt on `reset` and forgets nothing: a test of the command finds that out.
    Profile("hobot_xlm", multi_turn=True),
    Profile("vlm", multi_turn=True, commands=(b"exit", b"reset", b"regen"), command_prefixes=(b"/image",)),
    # The gateway's own program for a PC's processor, and the one way in which it differs from `xlm_demo`.
    Profile(
        "cpu_console", echoes_template=True, multi_turn=True, line_break="\N{SYMBOL FOR NEWLINE}", joins_turns=True
    ),
    # Whether it echoes is not known; a parser that expects an echo does without one.
    Profile("llm", echoes_template=True, statistics=("performance", "prefill", "decode", "other")),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in _ALL})

#: Of every console known: a line must stay a question whichever of them reads it.
COMMANDS = frozenset(command for profile in _ALL for command in profile.commands)
COMMAND_PREFIXES = tuple(sorted({prefix for profile in _ALL for prefix in profile.command_prefixes}))

_GREETING = re.compile(r"大模型(多轮)?对话交互")


def profile_for(program_name: str) -> Profile:
    """The profile of a program by its name or path; of an unknown one that of `xlm_demo`, the most tolerant."""
    base = program_name.rsplit("/", 1)[-1]
    named = [profile for name, profile in PROFILES.items() if base.startswith(name)]
    return max(named, key=lambda profile: len(profile.name), default=PROFILES["xlm_demo"])


def confirmed(profile: Profile, banner: str) -> Profile:
    """`profile` as the banner (text of `Ready`) confirms it; a banner in unknown words changes nothing.

    The greeting says whether the console keeps the chat, and the lines below it which commands it offers.
    A single-turn greeting does not prove that the console forgets: `forgets` stays what was known.
    """
    greeting = _GREETING.search(banner)
    if greeting is None:
        return profile
    return replace(
        profile,
        multi_turn=greeting[1] is not None,
        reset=b"reset" if "reset" in banner else None,
        exit=b"exit" if "exit" in banner else None,
    )
