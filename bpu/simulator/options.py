"""Parses the command line: the console's options and the simulator's own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from bpu.simulator import canned_replies, configs, directives, faults
from bpu.simulator.profiles import ALIASES, PRESETS, PROFILES, Profile
from bpu.simulator.tokens import MODEL_DIR

TEMPLATE = "DeepSeek_R1_Distill_Qwen_1.5B.jinja"
DEFAULT_CONTEXT = 4096
ABOUT = """\
This is a SIMULATOR of the console programs of the D-Robotics SDKs (xlm_demo and others).
No BPU is used and no model file is read. It answers a few questions with stored texts, works out sums, calls tools with
the defaults of their schemas, and otherwise says that it is a simulator. docs/console-protocol.md names the sources of
what it imitates.

Without options it behaves as xlm_demo of OpenExplorer_LLM_0.9.0 on an RDK S100 with a 1.5B model, with a small
tokenizer and template of its own. Times that are given (--load-seconds, --decode-rate, --prefill-rate) are exact;
those of the preset are divided by --speed.
"""


class Options(argparse.Namespace):
    """All options, with the profile's defaults. Rates are tokens per second, 0 for no pacing."""

    profile: Profile
    hbm_path: str
    tokenizer_dir: str
    template_path: str
    model_type: int
    config: str
    read_config: configs.Config | None
    prefill_rate: float
    decode_rate: float
    load_seconds: float
    history: str
    reset: str
    echo: bool
    stats: str
    end_token: str
    image_step: str
    newline: str
    context: int
    chatter: tuple[str, int] | None
    stamp: str
    record: str
    tokens: int | None
    split_utf8: bool
    self_buffering: bool
    strict: bool
    faults: list[faults.Fault]
    fault_once: str
    fault_every: int


class WrongArgument(Exception):
    """An argument with which the real console exits. `line` is what it prints."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise WrongArgument(f"Error: {message}")


def _fault(text: str) -> faults.Fault:
    try:
        return faults.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _profile(text: str) -> Profile:
    try:
        return PROFILES[ALIASES.get(text, text)]
    except KeyError:
        raise argparse.ArgumentTypeError(f"no profile is called {text!r}; there are {', '.join(PROFILES)}") from None


def _speed(text: str) -> float:
    """A factor; 0 stands for `max`."""
    if text == "max":
        return 0.0
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("--speed is a factor over 0, or max")
    return value


def _chatter(text: str) -> tuple[str, int]:
    stream, _, every = text.partition(":")
    if stream not in ("stdout", "stderr"):
        raise argparse.ArgumentTypeError("--chatter is stdout or stderr, and :N for every N pieces")
    return stream, max(1, int(every or 5))


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m bpu.simulator",
        description=ABOUT,
        epilog=f"{canned_replies.help_text()}\n{directives.HELP}\n{faults.help_text()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_console_options(parser.add_argument_group("the console's options"))
    _add_speed_options(parser.add_argument_group("speed"))
    _add_behaviour_options(parser.add_argument_group("behaviour (defaults are the profile's)"))
    _add_fault_options(parser.add_argument_group("faults"))
    return parser


def _add_console_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--hbm_path", default="", help="model file; it may be missing, unless --strict")
    group.add_argument("--tokenizer_dir", default="", help="folder with tokenizer.json; default: the simulator's own")
    group.add_argument("--template_path", default="", help="chat template; default: the simulator's own")
    group.add_argument("--model_type", type=int, default=None, help="number of the model family, DeepSeek's by default")
    group.add_argument("-c", "--config", default="", help="JSON file of oellm_multichat, llm or vlm")
    group.add_argument("--config_path", default="", help="accepted and ignored")
    group.add_argument("-i", "--image_path", default="", help="accepted and ignored")
    group.add_argument("--bpu_core", type=int, choices=range(4), default=0, help="accepted and ignored")


def _add_speed_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--preset", choices=PRESETS, default="s100-1.5b", help="published speeds; default s100-1.5b")
    group.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="so many times faster; max: no pacing")
    group.add_argument("--prefill-rate", type=float, metavar="X", help="tokens per second, 0: no pacing")
    group.add_argument("--decode-rate", type=float, metavar="X", help="tokens per second, 0: no pacing")
    group.add_argument("--load-seconds", type=float, metavar="S", help="time from the start to the banner")


def _add_behaviour_options(group: argparse._ArgumentGroup) -> None:
    flag = argparse.BooleanOptionalAction
    group.add_argument("--profile", type=_profile, default=None, help=f"{', '.join(PROFILES)}; default the first")
    group.add_argument("--history", choices=("keep", "none"), help="keep: the cache holds all turns until a reset")
    group.add_argument("--reset", choices=("works", "broken"), help="broken: prints the prompt, forgets nothing")
    group.add_argument("--echo", action=flag, default=None, help="print the rendered template before the answer")
    group.add_argument("--stats", choices=("line", "colour", "tps", "none"), help="kind of the figures")
    group.add_argument(
        "--image-step",
        choices=("full", "marker", "statistics", "bare"),
        default="full",
        help="what the image console prints between the line of an image and its prompt; no log shows it",
    )
    group.add_argument("--end-token", default="", metavar="TEXT", help="leaked after the answer, as <|im_end|>")
    group.add_argument("--newline", choices=("raw", "unescape"), default="raw", help="whether the echo shows \\n as is")
    group.add_argument(
        "--context", type=int, metavar="N", help="tokens, by the model's name or 4096; a longer prompt: SIGABRT"
    )
    group.add_argument("--tokens", type=int, metavar="N", help="tokens of an answer; default: as many as it has")
    group.add_argument(
        "--chatter", type=_chatter, metavar="STREAM[:N]", help="log lines between pieces, one every N pieces (5)"
    )
    group.add_argument(
        "--stamp",
        default="",
        metavar="FILE",
        help="`turn what bytes nanoseconds` of line, pieces and prompt (CLOCK_MONOTONIC); or stderr",
    )
    group.add_argument("--record", default="", metavar="FILE", help="the input as it is read: `pid line` for each line")
    group.add_argument("--split-utf8", action="store_true", help="pieces end inside characters")
    group.add_argument("--self-buffering", action="store_true", help="stdout fully buffered, stdbuf is without effect")
    group.add_argument("--strict", action="store_true", help="the console's paths must be given and exist")


def _add_fault_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--fault", dest="faults", action="append", type=_fault, default=[], help="see below; repeatable")
    group.add_argument(
        "--fault-once", default="", metavar="FILE", help="only if FILE can be made: once, over processes"
    )
    group.add_argument("--fault-every", type=int, default=1, metavar="N", help="only in every Nth turn of the process")


def parse(arguments: Sequence[str]) -> Options:
    """Parse the options. Raises `WrongArgument`; `--help` prints and exits as argparse does."""
    options, unknown = _parser().parse_known_args(arguments, namespace=Options())
    options.profile = options.profile or PROFILES["xlm_demo-0.9.0"]
    if unknown:
        raise WrongArgument(_unknown(options.profile, unknown[0]))
    options.read_config = _read_config(options) if options.config else None
    if options.profile.name == "vlm" and any(one.startswith("--config_path") for one in arguments):
        raise WrongArgument(_unknown(options.profile, "--config_path"))
    _fill_in(options)
    return options


def _unknown(profile: Profile, argument: str) -> str:
    if profile.program in ("xlm_demo", "vlm"):
        return f"unknown option: {argument}"
    return f"Error: unknown argument: {argument}"


def _read_config(options: Options) -> configs.Config:
    if not options.profile.config:
        raise WrongArgument(_unknown(options.profile, "-c"))
    try:
        config = configs.read(options.profile.config, options.config)
    except configs.BadConfig as error:
        raise WrongArgument(error.line) from None
    options.hbm_path, options.tokenizer_dir = config.hbm_path, config.tokenizer_dir
    options.template_path = config.template_path
    options.model_type = options.model_type if config.model_type is None else config.model_type
    if config.keeps is not None and not options.history:
        options.history = "keep" if config.keeps else "none"
    return config


def _fill_in(options: Options) -> None:
    profile, preset = options.profile, PRESETS[options.preset]
    if options.strict and not options.hbm_path:
        raise WrongArgument(
            "Error: --hbm_path is required for DeepSeek model. "
            "Please check the path is correct or model type is correct."
        )
    options.tokenizer_dir = options.tokenizer_dir or str(MODEL_DIR)
    options.template_path = options.template_path or str(MODEL_DIR / TEMPLATE)
    options.model_type = profile.model_types[0] if options.model_type is None else options.model_type
    if options.model_type not in profile.model_types and not profile.late_model_type:
        raise WrongArgument(_wrong_type(profile))
    for name in ("history", "reset", "stats"):
        setattr(options, name, getattr(options, name) or getattr(profile, name))
    options.context = options.context or configs.context_of(options.hbm_path) or DEFAULT_CONTEXT
    options.echo = profile.echoes_template if options.echo is None else options.echo
    speed = options.speed
    if options.prefill_rate is None:
        options.prefill_rate = preset.prefill * speed
    if options.decode_rate is None:
        options.decode_rate = preset.decode * speed
    if options.load_seconds is None:
        options.load_seconds = preset.load_s / speed if speed else 0.0


def _wrong_type(profile: Profile) -> str:
    if profile.program == "oellm_run":
        return "Error: --model_type is invalid. Must be 0 (INTERNVL) or 1 (DEEPSEEK) or 4(InternLM2) or 7(QWEN2.5)."
    return f"Error: --model_type is invalid. Must be one of {', '.join(map(str, sorted(profile.model_types)))}."


def usage(profile: Profile) -> str:
    """The usage text of the console."""
    if profile.config:
        return f"Usage: ./{profile.program} -c|--config <config.json>\n"
    names = ["--hbm_path", "--tokenizer_dir", "--template_path", "--model_type"]
    if profile.program == "oellm_run":
        names += ["--config_path", "--image_path", "--bpu_core"]
    options = "".join(f"  {name} <{name[2:]}>\n" for name in names)
    return f"Usage: ./{profile.program} [options]\n{options}  -h, --help\n"


def refuse(arguments: Sequence[str], problem: WrongArgument) -> int:
    """Print the problem on stderr and usage on stdout, and return the exit code."""
    profile = _profile_named_in(arguments)
    sys.stderr.write(problem.line + "\n")
    sys.stdout.write(usage(profile))
    sys.stdout.flush()
    return 1


def _profile_named_in(arguments: Sequence[str]) -> Profile:
    for first, second in zip(arguments, [*arguments[1:], ""], strict=True):
        name = second if first == "--profile" else first.removeprefix("--profile=")
        if name in PROFILES or name in ALIASES:
            return PROFILES[ALIASES.get(name, name)]
    return PROFILES["xlm_demo-0.9.0"]
