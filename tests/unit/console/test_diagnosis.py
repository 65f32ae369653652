"""Consoles that do not start, or end: every profile gives the lines of the failure as logs, and the table its cause."""

from __future__ import annotations

import pytest

from bpu.console.diagnosis import diagnose
from bpu.console.events import Event, Log, Ready, RunError
from bpu.console.parser import Parser, ParserState
from bpu.console.profiles import PROFILES, Profile

HEAD = "[E][29163][02-26][22:02:19:008][configuration.cpp:188][xlm_demo]"

#: What stands in real logs, the exit (a minus: a signal), the cause, and whether only a person can help.
FAILED_LOADS = {
    "no contiguous memory": (
        [
            HEAD + "[DNN] [HBRT] 4.2.7: Cannot malloc bpu memory with length 2234994104 bytes",
            "[Model] Load hbm failed! error: HBRT4_STATUS_BAD_DATA",
            "[Model] Load model failed, model file:/root/llm/X.hbm",
            "xlm init failed",
        ],
        (1, "no_bpu_memory", True),
    ),
    "ion": (["Fail to do ION_IOC_ALLOC(ret=Cannot allocate memory)", "xlm init failed"], (1, "no_bpu_memory", True)),
    "ion code": (["ion_alloc ret=-12", "xlm init failed"], (1, "no_bpu_memory", True)),
    "exhausted": (["error: HBRT4_STATUS_RESOURCE_EXHAUSTED", "xlm init failed"], (1, "no_bpu_memory", True)),
    "mKrun error at load": (["mKrun error"], (1, "no_bpu_memory", True)),
    "run error at load": (["\x1b[31mrun error\x1b[0m"], (1, "no_bpu_memory", True)),
    "broken model": (["[Model] Load hbm failed! error: HBRT4_STATUS_BAD_DATA"], (1, "bad_model", True)),
    "half a GGUF file": (
        [
            "0.00.129.145 E llama_model_load_from_file_impl: failed to load model",
            "[Model] Load model failed, model file:/x/m.gguf",
            "xlm init failed",
        ],
        (1, "bad_gguf", True),
    ),
    "init failed": (["xlm init failed"], (1, "load_failed", True)),
    "template": (["open /x/M.jinja failed"], (0, "template_unreadable", True)),
    "library": (
        ["./xlm_demo: error while loading shared libraries: libxlm.so: cannot open shared object file"],
        (127, "missing_library", True),
    ),
    "library without a word": ([], (127, "missing_library", True)),
    "not executable": (["setpriv: failed to execute ./xlm_demo: Permission denied"], (126, "not_executable", True)),
    "not executable without a word": ([], (126, "not_executable", True)),
    "program": (["setpriv: failed to execute ./xlm_demo: No such file or directory"], (127, "missing_program", True)),
    "another processor": (["setpriv: failed to execute ./xlm_demo: Exec format error"], (126, "wrong_machine", True)),
    "old setpriv": (["setpriv: unrecognized option '--pdeathsig'"], (1, "bad_launcher", True)),
    "option": (["Error: unknown argument: --x", "Usage: oellm_run ..."], (1, "bad_option", True)),
    "option in the mission's words": (["unknown option"], (1, "bad_option", True)),
    "usage alone": (["Usage: ./llm -c config.json"], (0, "bad_option", True)),
    "model file": (["Error: --hbm_path is required for DeepSeek model."], (1, "missing_model", True)),
    "model type": (["Error: --model_type is invalid. Must be 0 (INTERNVL)"], (1, "model_type", True)),
    "killed": ([], (-9, "killed", False)),
    "told to end": ([], (-15, "exited", False)),
    "crashed": ([], (-11, "crashed", False)),
    "crashed, as shells say it": ([], (139, "crashed", False)),
    "a signal without a name": ([], (-99, "crashed", False)),
    "ended": ([], (3, "exited", False)),
}

#: The same for consoles that were ready before.
LATER = {
    "memory": (["Allocate memory failed, size: 786432", "AllocError { len: 2359296 }"], (-11, "memory_ran_out")),
    "prefill": (["Failed to DoPrefill"], (0, "prefill_failed")),
    "overflow": (["corrupted size vs. prev_size"], (-6, "overflow")),
    "aborted": ([], (134, "overflow")),
    "run error": (["run error"], (None, "run_error")),
    "silence": ([], (None, "unknown")),
}  # fmt: skip

EVERY_PROFILE = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)


def loaded(profile: Profile, lines: list[str], size: int) -> tuple[list[Event], Parser]:
    """The events of a console that prints `lines` and ends, read in pieces of `size` bytes."""
    parser, data = Parser(profile), "".join(line + "\n" for line in lines).encode()
    events = [event for at in range(0, len(data), size) for event in parser.feed(data[at : at + size])]
    return [*events, *parser.end_of_file()], parser


@EVERY_PROFILE
@pytest.mark.parametrize("name", FAILED_LOADS)
@pytest.mark.parametrize("size", [1, 7, 9999])
def test_a_failed_load_is_logged_and_diagnosed(profile: Profile, name: str, size: int) -> None:
    lines, (end, cause, permanent) = FAILED_LOADS[name]
    started = ["[UCP]: log level = 3", "hbm_path: /root/llm/X.hbm", "一行中文"]
    events, parser = loaded(profile, started + lines, size)
    assert parser.state is ParserState.CLOSED
    shown = [event.line for event in events if isinstance(event, Log)]
    assert shown == started + [line.replace("\x1b[31m", "").replace("\x1b[0m", "") for line in lines]
    fault = diagnose(shown, exit_code=end if end >= 0 else None, signal=-end if end < 0 else None)
    assert (fault.cause, fault.permanent) == (cause, permanent)
    assert fault.message.endswith(".")


@EVERY_PROFILE
def test_a_failure_whose_last_line_is_not_finished_is_logged(profile: Profile) -> None:
    parser = Parser(profile)
    parser.feed(b"[UCP]: log level = 3\nxlm init fai")
    assert parser.end_of_file() == [Log("xlm init fai")]


@pytest.mark.parametrize("name", LATER)
def test_a_failure_after_the_load_may_pass_by_itself(name: str) -> None:
    lines, (end, cause) = LATER[name]
    code, signal = (None, -end) if end is not None and end < 0 else (end, None)
    fault = diagnose(lines, exit_code=code, signal=signal)
    assert (fault.cause, fault.permanent) == (cause, False)


@EVERY_PROFILE
@pytest.mark.parametrize("words", ["Failed to DoPrefill", "Allocate memory failed, size: 786432", "Aborted"])
@pytest.mark.parametrize("said", ["", "Once\n"])
def test_the_last_words_of_a_console_that_dies_are_logged_and_not_answered(
    profile: Profile, words: str, said: str
) -> None:
    """Before the marker with the empty `said`, else within the answer."""
    for size in (1, 9999):
        parser = Parser(profile, state=ParserState.IDLE)
        parser.begin(b"hi")
        data = (("[Assistant] >>> " + said if said else "") + words + "\n").encode()
        events = [event for at in range(0, len(data), size) for event in parser.feed(data[at : at + size])]
        events += parser.end_of_file()
        assert [event for event in events if isinstance(event, Log)] == [Log(words)]
        assert not [event for event in events if words in str(getattr(event, "text", ""))]


@EVERY_PROFILE
@pytest.mark.parametrize("said", [b"", b"[Assistant] >>> ", b"[Assistant] >>> Once\n"])
@pytest.mark.parametrize("size", [1, 9999])
def test_the_cause_before_a_run_error_is_logged(profile: Profile, said: bytes, size: int) -> None:
    parser = Parser(profile, state=ParserState.IDLE)
    parser.begin(b"hi")
    data = said + b"Aborted \xd1\nFailed to DoPrefill\nrun error"
    events = [event for at in range(0, len(data), size) for event in parser.feed(data[at : at + size])]
    causes = [Log("Aborted \ufffd"), Log("Failed to DoPrefill")]
    assert [*events, *parser.quiet()][-3:] == [*causes, RunError("run error")]


@EVERY_PROFILE
def test_start_up_in_any_words_is_ready_at_the_first_prompt(profile: Profile) -> None:
    greeting = "板端大模型多轮对话交互demo，请输入你的问题并按下回车 \n- 退出请输入exit"
    output = f"[UCP]: log level = 3\nnot [User] <<< yet\n\n{'x' * 9000}\n{greeting}\n[User] <<< ".encode()
    for size in (1, 7, 9999):
        parser = Parser(profile)
        events = [event for at in range(0, len(output), size) for event in parser.feed(output[at : at + size])]
        assert events[-1] == Ready(greeting)
        assert parser.state is ParserState.IDLE
        logs = [event.line for event in events if isinstance(event, Log)]
        assert logs == ["[UCP]: log level = 3", "not [User] <<< yet", "x" * 4096]
