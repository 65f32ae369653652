"""Makes an answer: which rule applies, the reasoning before it, and the tokens of both. No output, no time."""

from __future__ import annotations

from typing import NamedTuple

from bpu.simulator import memory, smalltalk
from bpu.simulator.conversation import Conversation
from bpu.simulator.directives import Directives
from bpu.simulator.tokens import Tokenizer

_FILL_EN = "the simulator goes on with one more word after another and says nothing that is of any use to you . "
_FILL_ZH = "模拟器继续说下去，一个字接着一个字，没有什么意义。"


class Style(NamedTuple):
    """How the model at hand begins: whether it reasons, and whether it must open the tag by itself."""

    thinks: bool = True
    opens: bool = False


def answer(conversation: Conversation, asked: Directives, tokenizer: Tokenizer, style: Style) -> list[bytes]:
    """The tokens of the raw answer, special ones of the model included."""
    thinks = style.thinks and conversation.thinks
    if asked.say is not None:
        return tokenizer.encode(asked.say)
    if asked.tokens is not None or asked.nonce:
        pieces = _filled(conversation, asked, tokenizer, thinks)
    else:
        pieces = _spoken(conversation, asked, tokenizer, thinks)
    return tokenizer.encode("<think>\n") + pieces if thinks and style.opens else pieces


def _spoken(conversation: Conversation, asked: Directives, tokenizer: Tokenizer, thinks: bool) -> list[bytes]:
    reasoning, reply = _considered(conversation)
    pieces = tokenizer.encode(reply)
    if not thinks:
        return pieces
    thought = tokenizer.encode(reasoning + "\n") if asked.think is None else _fill(conversation, asked, tokenizer)
    return [*thought, *tokenizer.encode("</think>\n\n"), *pieces]


def _fill(conversation: Conversation, asked: Directives, tokenizer: Tokenizer) -> list[bytes]:
    return _filler(asked.think or 0, asked.nonce, conversation.chinese, tokenizer)


def _filled(conversation: Conversation, asked: Directives, tokenizer: Tokenizer, thinks: bool) -> list[bytes]:
    """Exactly as many tokens as asked for; a third of them reasoning unless that was asked for too."""
    total = 60 if asked.tokens is None else asked.tokens
    if not thinks:
        return _filler(total, asked.nonce, conversation.chinese, tokenizer)
    think = total // 3 if asked.think is None else asked.think
    pieces = _filler(think, asked.nonce, conversation.chinese, tokenizer) + tokenizer.encode("</think>\n\n")
    return (pieces + _filler(total - len(pieces), asked.nonce, conversation.chinese, tokenizer))[:total]


def _filler(tokens: int, nonce: str, chinese: bool, tokenizer: Tokenizer) -> list[bytes]:
    phrase = _FILL_ZH if chinese else _FILL_EN
    phrase = f"{nonce} {phrase}" if nonce else phrase
    once = max(1, tokenizer.count(phrase))
    return tokenizer.encode(phrase * (max(0, tokens) // once + 1))[: max(0, tokens)]


def _considered(conversation: Conversation) -> tuple[str, str]:
    """Reasoning and reply, from the first rule that has something to say."""
    for rule in (_remembered,):
        if (found := rule(conversation)) is not None:
            return found
    return _thought(conversation), smalltalk.reply(conversation.focus)


def _thought(conversation: Conversation) -> str:
    if conversation.chinese:
        return "用户提出了一个问题。我是模拟器，简短地回答就好。"
    return "The user has asked something. I am a simulator, so a short answer will do."


def _remembered(conversation: Conversation) -> tuple[str, str] | None:
    """An answer out of all that the cache holds, so that a leak from another conversation shows."""
    recall = memory.asked(conversation.focus, conversation.text)
    if recall is None:
        return None
    words = ", ".join(recall.values)
    if conversation.chinese:
        kind = {"secret": "暗号", "name": "名字"}.get(recall.kind, recall.kind)
        if not words:
            return f"用户问{kind}，可是没有人告诉过我。", f"我不知道{kind}。（这是模拟器，没有使用 BPU。）"
        return f"用户问{kind}。我记得的有：{words}。", f"{kind}：{words}（模拟器记得的全部，没有使用 BPU）"
    kind = {"secret": "secret word"}.get(recall.kind, recall.kind)
    if not words:
        return (
            f"The user asks for the {kind}, but nobody has told me one.",
            f"I do not know the {kind}. (A simulator, no BPU is used.)",
        )
    return (
        f"The user asks for the {kind}. What I have been told: {words}.",
        f"As I was told, the {kind}: {words}. (All that the simulator remembers, no BPU is used.)",
    )
