"""The simulator's command line: what its defaults are, and the words with which each console refuses an option."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpu.simulator.options import DEFAULT_CONTEXT, WrongArgument, parse, refuse, usage
from bpu.simulator.profiles import PRESETS, PROFILES


def refusal(*arguments: str) -> str:
    with pytest.raises(WrongArgument) as caught:
        parse(arguments)
    return caught.value.line


def test_without_options_it_is_the_first_console_with_files_of_its_own() -> None:
    options = parse([])
    assert options.profile is PROFILES["xlm_demo-0.9.0"]
    assert (Path(options.tokenizer_dir) / "tokenizer.json").is_file()
    assert Path(options.template_path).is_file()
    assert (options.context, options.faults, options.tokens) == (DEFAULT_CONTEXT, [], None)


@pytest.mark.parametrize("name", PROFILES)
def test_what_is_not_given_comes_from_the_profile(name: str) -> None:
    profile = PROFILES[name]
    options = parse(["--profile", name])
    assert (options.history, options.reset, options.stats) == (profile.history, profile.reset, profile.stats)
    assert options.echo is profile.echoes_template
    assert options.model_type == profile.model_types[0]
    assert parse(["--profile", name, "--no-echo"]).echo is False
    assert parse(["--profile", name, "--stats", "none"]).stats == "none"


def test_the_speed_divides_the_times_of_the_preset_and_no_others() -> None:
    usual, twice = parse([]), parse(["--speed", "2"])
    assert usual.decode_rate == PRESETS[usual.preset].decode
    assert twice.decode_rate == 2 * usual.decode_rate
    assert twice.load_seconds == usual.load_seconds / 2
    given = parse(["--speed", "2", "--decode-rate", "7", "--load-seconds", "3"])
    assert (given.decode_rate, given.load_seconds) == (7.0, 3.0)
    most = parse(["--speed", "max"])
    assert (most.decode_rate, most.prefill_rate, most.load_seconds) == (0.0, 0.0, 0.0)


def test_the_context_is_the_one_in_the_model_s_name_unless_it_is_given() -> None:
    name = "DeepSeek_R1_Distill_Qwen_7B_1024.hbm"
    assert parse(["--hbm_path", name]).context == 1024
    assert parse(["--hbm_path", name, "--context", "99"]).context == 99


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--nonsense"], "unknown option: --nonsense"),
        (["--profile", "oellm_run", "--nonsense"], "Error: unknown argument: --nonsense"),
        (["--profile", "vlm", "--config_path=x"], "unknown option: --config_path"),
        (["-c", "x.json"], "unknown option: -c"),
        (["--strict"], "Error: --hbm_path is required for DeepSeek model. "),
        (["--profile", "oellm_run", "--model_type", "3"], "Error: --model_type is invalid. Must be 0 (INTERNVL)"),
        (["--speed", "0"], "Error: argument --speed: --speed is a factor over 0, or max"),
        (["--profile", "mine"], "Error: argument --profile: no profile is called 'mine'"),
        (["--fault", "explode"], "Error: argument --fault: no fault is called 'explode'"),
        (["--chatter", "nowhere"], "Error: argument --chatter: --chatter is stdout or stderr"),
    ],
)
def test_what_is_no_option_is_refused_in_the_console_s_words(arguments: list[str], line: str) -> None:
    assert refusal(*arguments).startswith(line)


@pytest.mark.parametrize("words", [["--profile", "llm"], ["--profile=llm"], ["--tokens", "3", "--profile", "llm"]])
def test_a_refusal_prints_the_usage_of_the_profile_that_was_named(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert refuse(words, WrongArgument("It is wrong.")) == 1
    printed = capsys.readouterr()
    assert (printed.err, printed.out) == ("It is wrong.\n", usage(PROFILES["llm"]))
    assert "--config <config.json>" in printed.out
