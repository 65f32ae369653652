"""How each console prints a turn, as it is known or may be: one entry for every way, for tables and properties.

Beside them what breaks a parser when models say it and people ask it: marks, halves of marks, false statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from bpu.console.events import Event, Text
from bpu.console.parser import Parser, ParserState
from bpu.console.profiles import PROFILES, Profile
from bpu.console.traits import UNKNOWN_TRAITS, Traits
from tests.unit.console.replay import joined

PROMPT, MARKER = "[User] <<< ", "[Assistant] >>> "
PERFORMANCE = "Performance prefill: 1113.04tokens/s    decode: 20.22tokens/s\n"
BRACKETS = "[Performance] prefill: 21 tokens, 31.5 ms; decode: 5 tokens, 17.1 tokens/s\n"
PREFILL = "===== prefill token num: 12 prefill cost: 30.5 ms, prefill speed: 393.4 tokens/s =====\n"
DECODE = "===== decode token num: 40 cost per token: 58.1 ms, decode speed: 17.2 tokens/s =====\n"
COLOURED = "\033[38;2;0;128;255m" + PREFILL + DECODE + "\033[0m\n"
LOG = "[E][29163][02-26][22:02:19:008][configuration.cpp:188][xlm_demo][DNN] text"
MONITOR = "[BPU][[BPU_MONITOR]][281473285378048][INFO]BPULib verison(2, 1, 2)[0d3f195]!"

#: What nobody but a console has a reason to print, and the halves of it.
HOSTILE = [
    *(PROMPT, MARKER, PROMPT[:-1], MARKER[:-1], PROMPT[1:], "[User]", "[Ass", "<<< ", ">>> ", "[system out] >>> "),
    *(PERFORMANCE, PERFORMANCE[:-1], PERFORMANCE[:30], BRACKETS, BRACKETS[:-1], "[Performance]", "[Performance]\n"),
    *(PREFILL, DECODE, PREFILL[:40], "===== decode token num:", "=====", "Performance", "tokens/s"),
    *("run error", "mKrun error", "run error\n", "\nrun error\n", "run err", "Failed to DoPrefill", "Aborted\n"),
    *("<", "<|", "<|im_", "<｜", "<｜end▁of▁", "<think>", "</think>", "\x1b", "\x1b[", "\x1b[0;3", "m", "K"),
    *(
        "[",
        "[E]",
        "[E][29163]",
        "[DNN]",
        "[BPU]",
        LOG[:60],
        LOG,
        "exit",
        "reset",
        "/image",
        "\n",
        "\n\n",
        "\\n",
        " ",
        "\0",
    ),
    *("你", "好", "🙂", "é", "\u2028", "\r\n", "\ufeff"),
]


@dataclass(frozen=True)
class Console:
    """One way to print a turn. `echo` renders the line as it is repeated; `None`: it is not."""

    name: str
    profile: Profile
    start: str
    end: str
    echo: Callable[[str], str] | None = None

    def output(self, line: bytes, said: bytes) -> bytes:
        """What it prints for the whole turn, its next prompt included."""
        echo = self.echo(line.decode()) if self.echo else ""
        return (echo + self.start).encode() + said + self.end.encode()

    @property
    def says_when_it_ends(self) -> bool:
        """Whether it prints statistics before its prompt."""
        return self.end.strip("\n") != PROMPT

    def asked(self, line: bytes) -> Parser:
        """Its parser, after `line` was written."""
        parser = Parser(self.profile, state=ParserState.IDLE)
        parser.begin(line)
        return parser


def _rendered(line: str) -> str:
    return f"<｜begin▁of▁sentence｜><｜User｜>{line}<｜Assistant｜><think>\n"


def _with_breaks(line: str) -> str:
    return _rendered(line.replace("\\n", "\n"))


def _bare(line: str) -> str:
    return line + "\n"


def _ways() -> Iterator[Console]:
    xlm, llm = PROFILES["xlm_demo"], PROFILES["llm"]
    yield Console("xlm_demo", xlm, "\n" + MARKER, "\n" + PERFORMANCE + PROMPT, _rendered)
    yield Console("xlm_demo-real-breaks", xlm, "\n" + MARKER, "\n" + PERFORMANCE + PROMPT, _with_breaks)
    yield Console("xlm_demo-no-template", xlm, "\n" + MARKER, "\n" + PERFORMANCE + PROMPT, _bare)
    yield Console("xlm_demo-no-echo", xlm, "\n" + MARKER, "\n" + PERFORMANCE + PROMPT)
    yield Console("xlm_demo-no-statistics", xlm, "\n" + MARKER, "\n" + PROMPT, _rendered)
    for name in ("oellm_run", "oellm_multichat", "hobot_xlm"):
        yield Console(name, PROFILES[name], MARKER, "\n" + PROMPT)
        yield Console(name + "-statistics", PROFILES[name], MARKER, "\n" + PERFORMANCE + PROMPT)
    yield Console("vlm", PROFILES["vlm"], "\n" + MARKER, "\n\n" + COLOURED + PROMPT)
    yield Console("llm", llm, MARKER, "\n" + BRACKETS + PROMPT)
    yield Console("llm-echo", llm, "\n" + MARKER, "\n" + BRACKETS + PROMPT, _with_breaks)
    yield Console("llm-no-statistics", llm, MARKER, "\n" + PROMPT)


CONSOLES = list(_ways())


def pieces(output: bytes, cuts: Iterable[int]) -> list[bytes]:
    """`output` cut at `cuts`, which are taken modulo its length."""
    places = sorted({0, len(output), *(cut % (len(output) + 1) for cut in cuts)})
    return [output[left:right] for left, right in pairwise(places)]


def state_of(parser: Parser) -> ParserState:
    """The state now. A type checker takes `parser.state` to stay what an assertion has found."""
    return parser.state


def hear(parser: Parser, read: Iterable[bytes]) -> list[Event]:
    """The events of these reads and of the silence after them, neighbouring texts joined."""
    events = [event for piece in read for event in parser.feed(piece)]
    return joined([*events, *parser.quiet()])


def text_of(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def asked(line: bytes = b"hi", profile: Profile = PROFILES["oellm_run"], *, traits: Traits = UNKNOWN_TRAITS) -> Parser:
    """A parser that waits for the answer to `line`."""
    parser = Parser(profile, state=ParserState.IDLE, traits=traits)
    parser.begin(line)
    return parser
