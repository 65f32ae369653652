"""Runs one turn: echo, prefill, tokens, statistics, prompt, and the faults between them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bpu.simulator import conversation, directives, faults, images, logs, responder
from bpu.simulator.faults import Fault, Outcome
from bpu.simulator.kv_cache import KvCache
from bpu.simulator.pacing import Pacer
from bpu.simulator.templates import Template
from bpu.simulator.tokens import cut_characters, load_tokenizer, whole_characters

if TYPE_CHECKING:
    from bpu.simulator.console import Console

#: A line that begins so is a command; the paths follow after one more character.
_IMAGE_COMMAND = b"/image"


class ModelSession:
    """The loaded model: its cache, its answers, and how they are written.

    The console owns it and runs it on the main thread.
    """

    def __init__(self, console: Console, template: str | None, tokenizer_dir: Path) -> None:
        """`template` is the text of the template file.

        Return None for a console with a template of its own.
        """
        options = console.options
        self._console, self._options = console, options
        if template is None:
            self._template = Template.own(reasons=bool(options.read_config and options.read_config.reasons))
        else:
            self._template = Template.of(template, deepseek=options.model_type == options.profile.model_types[0])
        self._tokenizer = load_tokenizer(tokenizer_dir)
        self._pacer = Pacer(options.prefill_rate, options.decode_rate)
        self._stamps = Stamps(options.stamp)
        self._last_line = b""
        self.cache = KvCache(options.context, keeps=options.history == "keep", resets=options.reset == "works")

    def turn(self, line: bytes) -> None:
        """Answer `line`; the prompt is back at the end unless the turn failed."""
        self._pacer.begin()
        self._stamps.line()
        self._last_line = line
        text = line.decode("utf-8", "surrogateescape")
        self.cache.begin()
        messages = conversation.parse(self.cache.text, text)
        wanted = self._directives(messages)
        self._console.faults.begin_turn(_turn_faults(wanted))
        if self._prefill(text, wanted) is Outcome.NO_PROMPT:
            return
        if self._answer(_without_directives(messages), wanted) is Outcome.GO_ON:
            self._finish()

    def image(self, line: bytes) -> None:
        """Obey a line that begins with `/image`.

        It begins a new chat with the images whose paths follow. docs/console-protocol.md#input has the source of each
        oddity.
        """
        if len(line) <= len(_IMAGE_COMMAND):  # `substr` behind the end of the line throws
            faults.KINDS["image-abort"].act(self._console.fault_context, "")
        paths = [path for path in line[len(_IMAGE_COMMAND) + 1 :].decode("utf-8", "surrogateescape").split(",") if path]
        if not paths:
            return  # nothing is loaded, and no prompt follows
        self._pacer.begin()
        self.cache.clear()
        console = self._console
        if console.run_faults("image") is Outcome.NO_PROMPT:
            return
        found = [None if console.unreadable_images else images.read(path) for path in paths]
        for path, picture in zip(paths, found, strict=True):
            if picture is None:
                console.stdio.err(logs.unreadable_image(path))
            else:
                tokens = images.TOKENS
                if tokens > self.cache.room:
                    faults.KINDS["overflow"].act(console.fault_context, "")
                self.cache.add(conversation.BEGIN + picture.in_cache(), tokens)
        self._pacer.prefill(images.TOKENS * len(paths))
        if self._options.image_step in ("full", "marker"):
            self._put(self._options.profile.start)
        if self._options.image_step in ("full", "statistics"):
            console.stdio.out(logs.vision_statistics(self._options.stats, len(paths)))
            console.stdio.out(logs.statistics(self._options.stats, self._pacer.figures()).lstrip("\n"))
        console.prompt(self._options.profile.end)

    def repeat(self) -> None:
        """Answer the last line once more."""
        self.turn(self._last_line)

    def _directives(self, messages: conversation.Conversation) -> directives.Directives:
        """The directives of the last question; the option `--tokens` is their default."""
        wanted, _ = directives.parse(messages.last.text)
        if wanted.tokens is None and wanted.say is None and self._options.tokens is not None:
            wanted = wanted._replace(tokens=self._options.tokens)
        return wanted

    def _prefill(self, text: str, wanted: directives.Directives) -> Outcome:
        console = self._console
        if console.run_faults("line") is Outcome.NO_PROMPT:
            return Outcome.NO_PROMPT
        rendered = self._template.render(text)
        if self._options.echo:
            shown = conversation.unescape(rendered) if self._options.newline == "unescape" else rendered
            console.stdio.out(shown)
        tokens = self._tokenizer.count(rendered)
        if tokens > self.cache.room:
            faults.KINDS["overflow"].act(console.fault_context, "")
        self.cache.add(conversation.unescape(rendered), tokens)
        if self._options.profile.flushes:
            console.stdio.flush()
        if (refusal := console.refused_prompt()) is not None:
            console.stdio.err(logs.log_line(refusal, console.profile.program, where="plan.cpp:612"))
            return faults.run_error(console.fault_context, "")
        if console.run_faults("prefill") is Outcome.NO_PROMPT:
            return Outcome.NO_PROMPT
        self._pacer.prefill(tokens, wanted.prefill)
        return Outcome.GO_ON

    def _answer(self, messages: conversation.Conversation, wanted: directives.Directives) -> Outcome:
        pieces = responder.respond(messages, wanted, self._tokenizer, self._template.style)[: self.cache.room]
        if self._options.end_token and len(pieces) < self.cache.room:
            pieces.append(self._options.end_token.encode())
        self._put(self._options.profile.start)
        if wanted.rate is not None:
            self._pacer.decode_at(wanted.rate)
        due = self._console.faults.due("decode")
        done, count = 0, 0
        for piece, tokens in self._split_writes(pieces):
            while due and due[0].after <= done:
                if self._fault(due.pop(0)) is Outcome.NO_PROMPT:
                    return Outcome.NO_PROMPT
            if wanted.pause and done >= wanted.at:
                self._pacer.pause(wanted.pause)
                wanted = wanted._replace(pause=0.0)
            self._pacer.token(tokens)
            self._put(piece)
            done, count = done + tokens, count + 1
            self._chatter(count)
        for fault in due:
            if self._fault(fault) is Outcome.NO_PROMPT:
                return Outcome.NO_PROMPT
        answer = b"".join(pieces).decode("utf-8", "replace")
        self.cache.add(answer + conversation.END, len(pieces))
        return self._console.run_faults("end")

    def _split_writes(self, pieces: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """Yield the bytes of each write, and the number of tokens that end in it."""
        return cut_characters(pieces) if self._options.split_utf8 else whole_characters(pieces)

    def _fault(self, fault: Fault) -> Outcome:
        return self._console.faults.run(fault, self._console.fault_context)

    def _put(self, text: str | bytes) -> None:
        if isinstance(text, bytes):
            self._stamps.piece(len(text))
        self._console.stdio.out(text)
        if self._options.profile.flushes:
            self._console.stdio.flush()

    def _chatter(self, count: int) -> None:
        if self._options.chatter and count % self._options.chatter[1] == 0:
            stdio = self._console.stdio
            put = stdio.out if self._options.chatter[0] == "stdout" else stdio.err
            put(logs.chatter(self._console.fault_context.program))

    def _finish(self) -> None:
        stats = logs.statistics(self._options.stats, self._pacer.figures())
        self._console.stdio.out(stats)
        end = self._options.profile.end
        if not end.startswith("\n") and not stats:
            end = "\n" + end
        self._stamps.prompt()
        self._console.prompt(end)


def _without_directives(messages: conversation.Conversation) -> conversation.Conversation:
    texts = tuple(message._replace(text=directives.parse(message.text)[1]) for message in messages.messages)
    return messages._replace(messages=texts)


def _turn_faults(wanted: directives.Directives) -> list[Fault]:
    try:
        return [faults.parse(wanted.fault, wanted.after)] if wanted.fault else []
    except ValueError:
        return []


class Stamps:
    """Writes `turn what bytes nanoseconds` (CLOCK_MONOTONIC) for benchmarks.

    `bytes` are those of the answer so far. `line`: it was read; `piece`: it is about to be written; `prompt`: likewise,
    the turn is over.
    """

    def __init__(self, path: str) -> None:
        self._fd = -1
        if path:
            self._fd = 2 if path == "stderr" else os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        self._turn = self._bytes = 0

    def line(self) -> None:
        """Note that a line was read, with which the next turn begins."""
        self._turn, self._bytes = self._turn + 1, 0
        self._write(b"line")

    def piece(self, size: int) -> None:
        """Note that `size` bytes of the answer are about to be written."""
        self._bytes += size
        self._write(b"piece")

    def prompt(self) -> None:
        """Note that the prompt is about to be written, with which the turn is over."""
        self._write(b"prompt")

    def _write(self, what: bytes) -> None:
        if self._fd >= 0:
            os.write(self._fd, b"%d %s %d %d\n" % (self._turn, what, self._bytes, time.monotonic_ns()))
