"""One turn at the console: echo, prefill, tokens, statistics, prompt, with the faults between them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bpu.simulator import brain, conversation, directives, faults, logs
from bpu.simulator.faults import Fault, Outcome
from bpu.simulator.memory import Cache
from bpu.simulator.pacing import Pacer
from bpu.simulator.templates import Template
from bpu.simulator.tokens import cut_characters, load_tokenizer, whole_characters

if TYPE_CHECKING:
    from bpu.simulator.console import Console


class Speaker:
    """The model's side: what it holds, what it answers, and how it is written."""

    def __init__(self, console: Console, template: str | None, tokenizer_dir: Path) -> None:
        """`template` is the text of the template file, None for a console that brings its own."""
        chosen = console.chosen
        self._console, self._chosen = console, chosen
        deepseek = chosen.model_type == chosen.profile.model_types[0]
        thinks = chosen.read_config.thinks if chosen.read_config else False
        self._template = (
            Template.own(thinks=bool(thinks)) if template is None else Template.of(template, deepseek=deepseek)
        )
        self._tokenizer = load_tokenizer(tokenizer_dir)
        self._pacer = Pacer(chosen.prefill_rate, chosen.decode_rate)
        self._stamps = Stamps(chosen.stamp)
        self._last = b""
        self.cache = Cache(chosen.context, keeps=chosen.history == "keep", resets=chosen.reset == "works")

    def turn(self, line: bytes) -> None:
        """Answer `line`; the prompt is back at the end unless the turn failed."""
        self._pacer.begin()
        self._stamps.line()
        self._last = line
        text = line.decode("utf-8", "surrogateescape")
        self.cache.begin()
        talk = conversation.parse(self.cache.text, text)
        asked = self._asked(talk)
        talk = self._without_directives(talk)
        self._console.faults.begin_turn(_wanted(asked))
        if self._prefill(text, asked) is Outcome.NO_PROMPT:
            return
        if self._answer(talk, asked) is Outcome.GO_ON:
            self._finish()

    def image(self, line: bytes) -> None:
        """A new image starts a new chat and is looked at."""
        self.cache.clear()
        self.turn(b"Describe the image " + line.removeprefix(b"/image").strip())

    def again(self) -> None:
        self.turn(self._last)

    def _asked(self, talk: conversation.Conversation) -> directives.Directives:
        asked, _ = directives.parse(talk.last.text)
        if asked.tokens is None and asked.say is None and self._chosen.tokens is not None:
            asked = asked._replace(tokens=self._chosen.tokens)
        return asked

    def _without_directives(self, talk: conversation.Conversation) -> conversation.Conversation:
        messages = tuple(m._replace(text=directives.parse(m.text)[1]) for m in talk.messages)
        return talk._replace(messages=messages)

    def _prefill(self, text: str, asked: directives.Directives) -> Outcome:
        console = self._console
        if console.happen("line") is Outcome.NO_PROMPT:
            return Outcome.NO_PROMPT
        rendered = self._template.render(text)
        if self._chosen.echo:
            shown = conversation.unescaped(rendered) if self._chosen.newline == "unescape" else rendered
            console.stdio.out(shown)
        tokens = self._tokenizer.count(rendered)
        if tokens > self.cache.room:
            faults.KINDS["overflow"].act(console.scene, "")
        self.cache.add(conversation.unescaped(rendered), tokens)
        if self._chosen.profile.flushes:
            console.stdio.flush()
        if (refusal := console.refused_prompt()) is not None:
            console.stdio.err(logs.log_line(refusal, console.profile.program, where="plan.cpp:612"))
            return faults.run_error(console.scene, "")
        if console.happen("prefill") is Outcome.NO_PROMPT:
            return Outcome.NO_PROMPT
        self._pacer.prefill(tokens, asked.prefill)
        return Outcome.GO_ON

    def _answer(self, talk: conversation.Conversation, asked: directives.Directives) -> Outcome:
        pieces = brain.answer(talk, asked, self._tokenizer, self._template.style)[: self.cache.room]
        if self._chosen.end_token and len(pieces) < self.cache.room:
            pieces.append(self._chosen.end_token.encode())
        self._put(self._chosen.profile.start)
        if asked.rate is not None:
            self._pacer.decode_at(asked.rate)
        due = self._console.faults.due("decode")
        done, count = 0, 0
        for piece, tokens in self._written(pieces):
            while due and due[0].after <= done:
                if self._fault(due.pop(0)) is Outcome.NO_PROMPT:
                    return Outcome.NO_PROMPT
            if asked.pause and done >= asked.at:
                self._pacer.pause(asked.pause)
                asked = asked._replace(pause=0.0)
            self._pacer.token(tokens)
            self._put(piece)
            done, count = done + tokens, count + 1
            self._chatter(count)
        for fault in due:
            if self._fault(fault) is Outcome.NO_PROMPT:
                return Outcome.NO_PROMPT
        answer = b"".join(pieces).decode("utf-8", "replace")
        self.cache.add(answer + conversation.END, len(pieces))
        return self._console.happen("end")

    def _written(self, pieces: list[bytes]) -> Iterator[tuple[bytes, int]]:
        return cut_characters(pieces) if self._chosen.split_utf8 else whole_characters(pieces)

    def _fault(self, fault: Fault) -> Outcome:
        return self._console.faults.run(fault, self._console.scene)

    def _put(self, text: str | bytes) -> None:
        if isinstance(text, bytes):
            self._stamps.piece(len(text))
        self._console.stdio.out(text)
        if self._chosen.profile.flushes:
            self._console.stdio.flush()

    def _chatter(self, count: int) -> None:
        if self._chosen.chatter and count % self._chosen.chatter[1] == 0:
            stdio = self._console.stdio
            put = stdio.out if self._chosen.chatter[0] == "stdout" else stdio.err
            put(logs.chatter(self._console.scene.program))

    def _finish(self) -> None:
        stats = logs.statistics(self._chosen.stats, self._pacer.figures())
        self._console.stdio.out(stats)
        end = self._chosen.profile.end
        if not end.startswith("\n") and not stats:
            end = "\n" + end
        self._stamps.prompt()
        self._console.prompt(end)


def _wanted(asked: directives.Directives) -> list[Fault]:
    try:
        return [faults.parse(asked.fault, asked.after)] if asked.fault else []
    except ValueError:
        return []


class Stamps:
    """`turn what bytes nanoseconds` (CLOCK_MONOTONIC), for benchmarks; `bytes` are those of the answer so far.

    `line`: it was read; `piece`: it is about to be written; `prompt`: likewise, the turn is over.
    """

    def __init__(self, path: str) -> None:
        self._fd = -1
        if path:
            self._fd = 2 if path == "stderr" else os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        self._turn = self._bytes = 0

    def line(self) -> None:
        self._turn, self._bytes = self._turn + 1, 0
        self._note(b"line")

    def piece(self, size: int) -> None:
        self._bytes += size
        self._note(b"piece")

    def prompt(self) -> None:
        self._note(b"prompt")

    def _note(self, what: bytes) -> None:
        if self._fd >= 0:
            os.write(self._fd, b"%d %s %d %d\n" % (self._turn, what, self._bytes, time.monotonic_ns()))
