"""Turns a chat request into the line for the console, with exact token counts.

Where the conversation may continue, it also makes the continuation. The console wraps the line in the model's template
by itself. So the whole conversation is rendered with that template, and the frame that the console will add is cut off.
It knows no process and no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from bpu.chat.conversation import Conversation, build_conversation, digest, to_turn
from bpu.chat.formats import instruction
from bpu.chat.reasoning import CLOSE
from bpu.chat.request_models import Message
from bpu.chat.requests import THINK_SUFFIX, ChatRequest
from bpu.chat.template import Template, TemplateMessage
from bpu.chat.tokens import Counter
from bpu.chat.tools import tools_prompt
from bpu.console.line_encoding import LineTooLong, encode_line, escape_special_tokens
from bpu.console.profiles import Profile
from bpu.errors import ContextLengthExceeded
from bpu.turn import Turn

#: What opens the reasoning: the console's template, the model, or nothing, because the template closes it (`off`) or
#: the model has none (`none`).
Thinking = Literal["auto", "template", "model", "off", "none"]
#: Ends a prompt so that the model continues after its reasoning.
_NO_THOUGHTS = "<think>\n\n</think>\n\n"
#: Longer texts (in characters; at least so many for each token of the context) are counted by their beginning first,
#: because exact counting of megabytes would stop the whole worker for a second.
_COUNTED_AT_ONCE = 65_536
_CHARACTERS_A_TOKEN = 16
#: A text of more than so many longest lines is refused before it is rendered.
_OVERSIZE_FACTOR = 8


#: Stands in the history for an image that is not sent with it.
_IMAGE_LEFT_OUT = "[image]"


@dataclass(frozen=True)
class PromptPlan:
    """A turn, and how many of the oldest messages were left out.

    `images` are the keys of the images that the console must read before the turn's `line`, in order;
    `images_left_out` is the number of earlier ones for which the history only says that there was one.
    """

    turn: Turn
    dropped: int = 0
    images: tuple[str, ...] = ()
    images_left_out: int = 0


class Prompter:
    """Builds the prompts of one model.

    A worker or a command makes it once for a model; it holds no conversation.
    """

    def __init__(
        self,
        template: Template,
        counter: Counter,
        *,
        context_size: int,
        profile: Profile,
        newline: str = "\\n",
        line_limit: int | None = None,
        history: Literal["error", "trim"] = "error",
        thinking: Thinking = "auto",
        image_tokens: int = 0,
    ) -> None:
        """`context_size` in tokens; `line_limit` in bytes, None: the profile's, 0: none.

        `thinking` says what opens the reasoning; `auto`: as the template shows.

        `history` says what to do with a conversation that does not fit. `image_tokens` is what one image takes of the
        context.
        """
        self._template = template
        self.counter = counter
        self.context_size = context_size
        self._profile = profile
        self._newline = newline
        self._longest_line = (profile.line_limit if line_limit is None else line_limit) or 0
        self._trim = history == "trim"
        self._thinking: Thinking = thinking
        self._image_tokens = image_tokens
        self._places_system = template.carries("system", "user")
        self._places_turns = template.carries("user", "assistant", "user", "assistant", "user")

    @property
    def reasons(self) -> bool:
        """Whether the model is one that reasons."""
        return self._template.reasons

    @property
    def template(self) -> str:
        """The text of the chat template."""
        return self._template.text

    @property
    def special_tokens(self) -> tuple[str, str]:
        """The tokenizer's special tokens that begin and end a text."""
        return self._template.bos, self._template.eos

    def thinks(self, request: ChatRequest) -> bool:
        """Whether the answer to `request` begins inside the reasoning, because the template has opened it.

        Where the model opens it, its tag shows that; where the template closes it or the model has none, it is absent.
        """
        after = self._template.frame()[1]
        if not after and not request.thinking:
            return False
        if self._thinking != "auto":
            return self._thinking == "template"
        return after.rstrip().endswith("<think>") or (self._template.reasons and "</think>" not in after)

    def turn(self, request: ChatRequest) -> Turn:
        """Return the turn of `request`. Raises `ContextLengthExceeded`."""
        return self.plan(request).turn

    def plan(self, request: ChatRequest) -> PromptPlan:
        """Return the turn, trimmed if that is the setting.

        At least one token of the context stays for the answer.
        """
        conversation = self._conversation(request)
        try:
            return self._fit_images(request, conversation)
        except ContextLengthExceeded as error:
            if self._trims(request) and (trimmed := self._trimmed(request, conversation)):
                return trimmed
            raise self._with_counts(error, request) from None

    def render(self, request: ChatRequest) -> str:
        """Return the whole prompt as the model reads it, with the console's frame.

        It may have any length.
        """
        before, after = self._template.frame()
        line = encode_line(self._whole_text(request, after), profile=self._profile, newline=self._newline, limit=0)
        return before + line.decode() + after

    def count(self, request: ChatRequest) -> int:
        """Count the tokens of the whole prompt with all its images.

        It need not fit the context.
        """
        images = self._conversation(request).images
        return self._count(self.render(request)) + self._image_tokens * len(images)

    def is_trimmed(self, request: ChatRequest) -> bool:
        """Whether older messages or images of `request` are left out so that it fits."""
        if not (self._trims(request) or request.images):
            return False
        plan = self.plan(request)
        return plan.dropped > 0 or plan.images_left_out > 0

    def digest_with(self, request: ChatRequest, answer: Message) -> str:
        """The digest of the conversation in `request` and the `answer` to it."""
        conversation = self._conversation(request)
        return digest(_header(request), conversation, [*conversation.turns, to_turn(answer)])

    def _conversation(self, request: ChatRequest) -> Conversation:
        rules = [tools_prompt(request), instruction(request.response_format)]
        return build_conversation(request.messages, "\n\n".join(rule for rule in rules if rule))

    def _fit_images(self, request: ChatRequest, conversation: Conversation) -> PromptPlan:
        """Return the plan with as many of the images as fit, the newest first.

        Those of the last turn must fit.
        """
        *larger, smallest = _choices_of_images(conversation)
        for sent in larger:
            with suppress(ContextLengthExceeded):
                return self._plan_with(request, conversation, sent)
        return self._plan_with(request, conversation, smallest)

    def _plan_with(self, request: ChatRequest, conversation: Conversation, sent: tuple[str, ...]) -> PromptPlan:
        turn = self._turn(request, conversation, sent)
        left_out = len(conversation.images) - len(sent) + conversation.unread_images
        return PromptPlan(turn, images=sent, images_left_out=left_out)

    def _turn(self, request: ChatRequest, conversation: Conversation, images: tuple[str, ...] = ()) -> Turn:
        unmarked, conversation = conversation, _mark_images(conversation, images)
        self._refuse_oversized(conversation)
        before, after = self._template.frame()
        closing = _closing(request, after)
        line = self._encode_line(self._text(conversation) + closing)
        tokens = self._count_or_refuse(before, line, after, self._image_tokens * len(images))
        *earlier, last = conversation.turns
        seen = {key for turn in earlier for key in turn.images}
        if not earlier or closing or not seen.issuperset(last.images):
            return Turn(line, tokens)
        continuation = self._encode_line(self._without_special_tokens(last.text, self._closing_tags))
        return Turn(
            line,
            tokens,
            continuation_line=continuation,
            continuation_tokens=self.counter.count(
                self._prefix_within_chat(before) + self._as_read_by_model(continuation) + after
            ),
            prefix_digest=digest(_header(request), conversation, unmarked.turns[:-1]),
        )

    def _whole_text(self, request: ChatRequest, after: str) -> str:
        conversation = self._conversation(request)
        return self._text(_mark_images(conversation, conversation.images)) + _closing(request, after)

    def _trims(self, request: ChatRequest) -> bool:
        return self._trim if request.trim is None else request.trim

    def _with_counts(self, error: ContextLengthExceeded, request: ChatRequest) -> ContextLengthExceeded:
        """Add to `error` its numbers in tokens, and the part of the tools."""
        in_tokens = error.unit == "tokens"
        error.prompt_tokens = error.size if in_tokens else self.count(request)
        error.fitting_tokens = error.limit if in_tokens else error.prompt_tokens * error.limit // error.size
        if text := tools_prompt(request):
            size = self._count(text) if in_tokens else len(text.encode("utf-8", "replace"))
            return error.with_tools(min(size, error.size))
        return error

    def _refuse_oversized(self, conversation: Conversation) -> None:
        """Refuse far too long texts before rendering, which takes 30 ms for a megabyte.

        No line is shorter than its texts.
        """
        texts = [conversation.system, *(turn.text for turn in conversation.turns)]
        if self._longest_line and sum(map(len, texts)) > _OVERSIZE_FACTOR * self._longest_line:
            size = sum(len(text.encode("utf-8", "replace")) for text in texts)
            raise ContextLengthExceeded.bytes(self._longest_line, size, self.context_size)

    def _encode_line(self, text: str) -> bytes:
        try:
            return encode_line(text, profile=self._profile, newline=self._newline, limit=self._longest_line)
        except LineTooLong as error:
            raise ContextLengthExceeded.bytes(error.limit, error.size, self.context_size) from None

    def _prefix_within_chat(self, before: str) -> str:
        """Return what the console puts before a later line of a conversation.

        `before` where that is unknown.
        """
        return (self._template.between() if self._profile.joins_turns else "") or before

    def _as_read_by_model(self, line: bytes) -> str:
        """Decode `line` as the model reads it, so that the right text is counted."""
        text, stand_in = line.decode(), self._profile.line_break
        return text.replace(stand_in, "\n") if stand_in else text

    def _count_or_refuse(self, before: str, line: bytes, after: str, of_images: int) -> int:
        """Count the tokens of the whole prompt; refuse it unless the context holds one more."""
        tokens = self._count(before + self._as_read_by_model(line) + after) + of_images
        if tokens >= self.context_size:
            raise ContextLengthExceeded.tokens(self.context_size, tokens)
        return tokens

    def _count(self, text: str) -> int:
        """Count the tokens of `text`.

        For a text that cannot fit, the count of its beginning is scaled up.
        """
        most = self.counted_at_once
        if len(text) > most and (tokens := self.counter.count(text[:most])) >= self.context_size:
            return tokens * len(text) // most
        return self.counter.count(text)

    @property
    def counted_at_once(self) -> int:
        """The longest text in characters that is always counted exactly."""
        return max(_COUNTED_AT_ONCE, self.context_size * _CHARACTERS_A_TOKEN)

    def _trimmed(self, request: ChatRequest, conversation: Conversation) -> PromptPlan | None:
        """Leave out as few of the oldest turns as possible, by bisection.

        Return None if the last does not fit alone.
        """
        openings = conversation.openings()[1:]
        fitting: tuple[int, PromptPlan] | None = None
        low, high = 0, len(openings) - 1
        while low <= high:
            middle = (low + high) // 2
            try:
                fitting = openings[middle], self._fit_images(request, conversation.since(openings[middle]))
                high = middle - 1
            except ContextLengthExceeded:
                low = middle + 1
        if fitting is None:
            return None
        at, plan = fitting
        turn = Turn(plan.turn.line, plan.turn.tokens)
        return replace(plan, turn=turn, dropped=conversation.messages_before(at))

    def _text(self, conversation: Conversation) -> str:
        """Render the whole conversation as the text of one user message, without the console's frame."""
        system = self._without_special_tokens(conversation.system)
        tags = {"user": self._closing_tags, "assistant": ()}
        said = [
            TemplateMessage(role=turn.role, content=self._without_special_tokens(turn.text, tags[turn.role]))
            for turn in conversation.turns
        ]
        first = said[0]["content"]
        if system and first and self._places_system and (len(said) == 1 or self._places_turns):
            placed = self._template.inside([TemplateMessage(role="system", content=system), *said])
            if placed is not None:
                return placed
        said[0] = TemplateMessage(role="user", content=f"{system}\n\n{first}" if system and first else system or first)
        if len(said) == 1:
            return said[0]["content"]
        rendered = self._template.inside(said) if self._places_turns else None
        return _transcript(said) if rendered is None else rendered

    @cached_property
    def _closing_tags(self) -> tuple[str, ...]:
        """Return the tag that ends the reasoning, if it is one token of the model."""
        is_token = self.counter.count(CLOSE) == 1 if self.counter.exact else self._template.reasons
        return (CLOSE,) if is_token else ()

    def _without_special_tokens(self, text: str, tags: tuple[str, ...] = ()) -> str:
        """Change `text` so that a tokenizer finds no special token in it.

        It knows the usual spelling and the model's own. `tags` are treated alike. They matter in a user's text, where a
        closing tag would end the reasoning before it begins; in an earlier answer tags are text, and a system text may
        describe the form of an answer with them.
        """
        for token in (*self._template.special, *tags):
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return escape_special_tokens(text)


def _choices_of_images(conversation: Conversation) -> Iterator[tuple[str, ...]]:
    """Yield the images to send with a conversation.

    Yield all of them first, then one older image less each time.
    """
    needed = {key for key in conversation.turns[-1].images if key}
    older = [key for key in conversation.images if key not in needed]
    for first in range(len(older) + 1):
        sent = needed.union(older[first:])
        yield tuple(key for key in conversation.images if key in sent)


def _mark_images(conversation: Conversation, sent: Sequence[str]) -> Conversation:
    """Write into the turns which image stood where.

    A single message with its images needs no marks.
    """
    if len(conversation.turns) == 1 or not any(turn.images for turn in conversation.turns):
        return conversation
    numbers = {key: f"[image {number}]" for number, key in enumerate(sent, start=1)}
    turns = (
        replace(turn, text="\n".join([*(numbers.get(key, _IMAGE_LEFT_OUT) for key in turn.images), turn.text]))
        for turn in conversation.turns
    )
    return replace(conversation, turns=tuple(turns))


def _closing(request: ChatRequest, after: str) -> str:
    """Return the end of a prompt that switches reasoning off.

    It is "" unless the prompt itself holds the template's end.
    """
    return _NO_THOUGHTS if not after and not request.thinking else ""


def _header(request: ChatRequest) -> list[str]:
    """Return what separates conversations beside their texts: client, model, reasoning on or off."""
    model = request.model.removesuffix(THINK_SUFFIX) if request.inline_thinking else request.model
    return ["1", request.namespace, model, "thinks" if request.thinking else "answers"]


def _transcript(said: Iterable[TemplateMessage]) -> str:
    """Write the conversation out, for a template that takes one message only."""
    return "\n\n".join(f"{one['role'].capitalize()}: {one['content']}" for one in said)
