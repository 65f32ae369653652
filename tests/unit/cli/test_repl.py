"""A conversation at the terminal: what is remembered, what is shown where, and what ends it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, Reasoning
from bpu.chat.usage import Usage
from bpu.cli import _repl
from bpu.cli._terminal import Notice, bar
from bpu.errors import EngineCrashed

END = Finish("stop", Usage(prompt_tokens=3, completion_tokens=5, predicted_n=5, predicted_ms=500.0))
ANSWER: list[Any] = [KeepAlive("prefill"), Reasoning("Hm."), Content("Yes"), Content(", 是"), END]


class ChatBackend:
    """Says what it is given, one script a question; an exception in a script is raised there."""

    def __init__(self, *scripts: list[Any]) -> None:
        self._scripts = iter(scripts)
        self.asked: list[dict[str, Any]] = []
        self.closed = 0
        self.engine: dict[str, Any] = {"state": "ready"}

    def status(self) -> dict[str, Any]:
        return self.engine

    def chat(self, body: dict[str, Any]) -> Iterator[Delta]:
        self.asked.append({**body, "messages": list(body["messages"])})
        try:
            for item in next(self._scripts):
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.closed += 1


def test_the_conversation_goes_on_with_what_was_answered(capsys: pytest.CaptureFixture[str]) -> None:
    backend = ChatBackend(ANSWER, ANSWER)
    session = _repl.ChatSession(backend, system="Be brief.", options={"max_tokens": 9})
    session.converse(iter(["really?", "  ", "sure?"]))
    assert backend.asked[1] == {
        "max_tokens": 9,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "really?"},
            {"role": "assistant", "content": "Yes, 是"},
            {"role": "user", "content": "sure?"},
        ],
    }
    assert backend.closed == 2
    captured = capsys.readouterr()
    assert captured.out == "Yes, 是\nYes, 是\n", "a pipe gets the answers alone"
    assert "Hm." in captured.err
    assert "5 tokens, 10.0 tokens/s" in captured.err


def test_a_stopped_answer_stays_and_an_unanswered_question_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    backend = ChatBackend([Content("Once"), KeyboardInterrupt()], [Reasoning("Hm"), KeyboardInterrupt()], ANSWER)
    session = _repl.ChatSession(backend)
    session.converse(iter(["a story", "another", "yes?"]))
    assert [message["content"] for message in backend.asked[2]["messages"]] == ["a story", "Once", "yes?"]
    assert backend.closed == 3
    assert capsys.readouterr().err.count("(stopped)") == 2


def test_an_error_is_shown_and_costs_one_answer(capsys: pytest.CaptureFixture[str]) -> None:
    backend = ChatBackend([EngineCrashed("The console has died. Ask again.")], ANSWER)
    _repl.ChatSession(backend).converse(iter(["one", "two"]))
    assert [message["content"] for message in backend.asked[1]["messages"]] == ["two"]
    assert "Error: The console has died. Ask again." in capsys.readouterr().err


def test_new_begins_again_with_the_system_text_alone(capsys: pytest.CaptureFixture[str]) -> None:
    backend = ChatBackend(ANSWER, ANSWER)
    _repl.ChatSession(backend, system="S").converse(iter(["one", "/new", "two", "/exit", "three"]))
    assert [message["content"] for message in backend.asked[1]["messages"]] == ["S", "two"]
    assert len(backend.asked) == 2


@pytest.mark.parametrize(("typed", "said"), [("/nwe", "no /nwe"), ("/help", "Ctrl-C")])
def test_commands_never_reach_the_model(typed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    backend = ChatBackend()
    _repl.ChatSession(backend).converse(iter([typed]))
    assert backend.asked == []
    assert said in capsys.readouterr().err


def test_a_question_that_begins_with_a_slash_is_a_question() -> None:
    backend = ChatBackend(ANSWER)
    _repl.ChatSession(backend).converse(iter(["/etc/passwd is what?"]))
    assert len(backend.asked) == 1


def test_hidden_thinking_is_shown_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    _repl.ChatSession(ChatBackend(ANSWER), show_thinking=False).ask("q")
    captured = capsys.readouterr()
    assert "Hm." not in captured.out + captured.err


def test_lines_of_a_pipe_are_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("one\r\ntwo"))
    assert list(_repl.questions()) == ["one", "two"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_notice_is_replaced_and_leaves_nothing() -> None:
    out = Terminal()
    with Notice(out) as notice:
        notice.show("one")
        notice.show("one")
        notice.show("two")
    assert out.getvalue().count("one") == 1
    assert out.getvalue().endswith("\r\x1b[K")


def test_without_a_terminal_a_notice_is_silent() -> None:
    out = io.StringIO()
    with Notice(out) as notice:
        notice.show("one")
    assert out.getvalue() == ""


def test_a_bar_grows_and_never_claims_to_be_full() -> None:
    assert bar(0, 8).count("#") < bar(4, 8).count("#") < bar(800, 8).count("#")
    assert "-" in bar(800, 8)
    assert "-" in bar(1, 0)


def test_waiting_shows_how_far_an_examination_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    err = Terminal()
    monkeypatch.setattr("sys.stderr", err)
    backend = ChatBackend([KeepAlive("checking", 1), *ANSWER])
    backend.engine = {"state": "checking", "examination": {"answers": 2, "of": 5, "rest_s": 8.2}}
    _repl.ChatSession(backend).ask("q")
    assert "2 of 5 answers, about 8 s left" in err.getvalue()


def test_waiting_shows_the_load_and_the_place(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    err = Terminal()
    monkeypatch.setattr("sys.stderr", err)
    times = iter([10.0, 10.0, 14.0, 14.0])
    session = _repl.ChatSession(
        ChatBackend([KeepAlive("queued", 3), KeepAlive("loading", 1), KeepAlive("loading", 1), *ANSWER]),
        clock=lambda: next(times),
    )
    session.ask("q")
    assert "3 before this one" in err.getvalue()
    assert "Loading the model" in err.getvalue()
    assert "4.0 s" in err.getvalue()
