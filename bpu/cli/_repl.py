"""A conversation at the terminal: reads questions and shows answers as they come, reasoning dimmed."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import click

from bpu.chat.deltas import Content, Delta, Finish, KeepAlive, Reasoning
from bpu.cli._errors import localized_message
from bpu.cli._terminal import USUAL_LOAD_S, Notice, bar, dim, is_terminal, show_examination
from bpu.errors import BpuError
from bpu.messages import translate

Message = dict[str, Any]
PROMPT = ">>> "


class ChatBackend(Protocol):
    """The source of answers: this board's engine or a remote gateway."""

    def chat(self, body: dict[str, Any]) -> Iterator[Delta]: ...

    def status(self) -> dict[str, Any]: ...


class ChatSession:
    """One conversation; runs in the main thread of `chat`.

    `options` are fields of each request (`max_tokens`, ...). `images` are data URLs of images that go with the first
    question.
    """

    def __init__(
        self,
        backend: ChatBackend,
        *,
        system: str = "",
        show_thinking: bool = True,
        options: dict[str, Any] | None = None,
        images: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend, self._show_thinking, self._options, self._clock = backend, show_thinking, options or {}, clock
        self._initial_messages: list[Message] = [{"role": "system", "content": system}] if system else []
        self.messages = list(self._initial_messages)
        self._images = list(images)

    def reset(self) -> None:
        """Drop all messages but the system text."""
        self.messages = list(self._initial_messages)

    def ask(self, question: str) -> None:
        """Ask one question and show its answer. Raises `BpuError`, and `KeyboardInterrupt` after Ctrl-C.

        A partial answer stays in the conversation; a question without any answer is removed from it.
        """
        self.messages.append({"role": "user", "content": self._with_images(question)})
        screen = _Screen(self._show_thinking, self._clock, self._backend.status)
        answer = self._backend.chat({**self._options, "messages": self.messages})
        try:
            with contextlib.closing(answer):  # type: ignore[type-var]  # both backends return generators
                for delta in answer:
                    screen.show(delta)
        finally:
            screen.end()
            if answered := screen.answer.strip():
                self.messages.append({"role": "assistant", "content": answered})
                self._images = []
            else:
                self.messages.pop()

    def _with_images(self, question: str) -> str | list[dict[str, Any]]:
        if not self._images:
            return question
        images = [{"type": "image_url", "image_url": {"url": url}} for url in self._images]
        return [*images, {"type": "text", "text": question}]

    def converse(self, questions: Iterator[str]) -> None:
        """Answer until the questions end or `/exit`.

        An error is shown, and the conversation goes on.
        """
        for question in questions:
            words = question.strip()
            if words in ("/exit", "/quit"):
                return
            if words == "/new":
                self.reset()
                click.echo(dim(translate("chat.new")), err=True)
            elif words in ("/help", "/?"):
                click.echo(translate("chat.keys"), err=True)
            elif words.startswith("/") and len(words.split()) == 1:
                click.echo(translate("chat.no_such", word=words), err=True)
            elif words:
                self._ask_or_report(question)

    def _ask_or_report(self, question: str) -> None:
        try:
            self.ask(question)
        except KeyboardInterrupt:
            click.echo(dim(translate("chat.stopped")), err=True)
        except BpuError as error:
            click.echo(translate("cli.error", message=localized_message(error)), err=True)


class _Screen:
    """Shows deltas: the answer on stdout.

    The reasoning on stderr if stdout is not a terminal.
    """

    def __init__(
        self, show_thinking: bool, clock: Callable[[], float], engine_status: Callable[[], dict[str, Any]]
    ) -> None:
        self._show_thinking, self._clock, self._engine_status = show_thinking, clock, engine_status
        self._separate_streams = not is_terminal(sys.stdout)
        self._notice = Notice()
        self._loading_since: float | None = None
        self._thought = self._ended_line = False
        self.answer = ""

    def show(self, delta: Delta) -> None:
        if isinstance(delta, KeepAlive):
            self._show_progress(delta)
            return
        self._notice.clear()
        if isinstance(delta, Reasoning) and self._show_thinking:
            self._thought = True
            click.echo(dim(delta.text), nl=False, err=self._separate_streams)
        elif isinstance(delta, Content):
            self._separate_answer()
            self.answer += delta.text
            click.echo(delta.text, nl=False)
        elif isinstance(delta, Finish):
            self.end()
            click.echo(dim(_figures(delta)), err=True)

    def _separate_answer(self) -> None:
        if self._thought and not self.answer:
            click.echo("\n", err=self._separate_streams)

    def _show_progress(self, delta: KeepAlive) -> None:
        if self._thought or self.answer:
            return
        if delta.phase == "loading":
            self._loading_since = self._loading_since or self._clock()
            self._notice.show(f"{translate('chat.loading')} {bar(self._clock() - self._loading_since, USUAL_LOAD_S)}")
        elif delta.phase == "checking":
            show_examination(self._notice, self._engine_status())
        elif delta.position:
            # The first of the queue waits behind the job that runs.
            self._notice.show(translate("chat.queued", before=delta.position))
        else:
            self._notice.show(translate("chat.waiting"))

    def end(self) -> None:
        """Move the cursor to the beginning of a line; may be called twice."""
        self._notice.clear()
        if (self._thought or self.answer) and not self._ended_line:
            click.echo()
        self._ended_line = True


def _figures(finish: Finish) -> str:
    usage, cut = finish.usage, "" if finish.reason == "stop" else translate("chat.cut")
    speed = usage.timings()["predicted_per_second"]
    return translate("chat.figures", tokens=usage.completion_tokens, speed=f"{speed:.1f}", cut=cut)


def questions(read: Callable[[str], str] = input) -> Iterator[str]:
    """Yield typed lines, with line editing, or the lines of a pipe.

    Ctrl-C at the prompt shows how to exit.
    """
    if not is_terminal(sys.stdin):
        yield from (line.rstrip("\r\n") for line in sys.stdin)
        return
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  # gives input() its keys, where Python has it
    while True:
        try:
            yield read(PROMPT)
        except KeyboardInterrupt:
            click.echo(f"\n{translate('chat.how_to_leave')}", err=True)
        except EOFError:
            click.echo()
            return
