"""Makes the tokens of an answer: reasoning, then a reply by rules. Pure.

Rules, the first that applies: a tool's result in words, a tool call that is demanded, JSON that is demanded, the images
of the chat, a name or secret word that the question asks for, a stored answer, arithmetic, a name or secret word that
the question states, a tool that it mentions, and last the reply that no model is behind this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bpu.simulator import canned_replies, images, json_mode
from bpu.simulator.arithmetic import Equation, find_equation
from bpu.simulator.canned_replies import CannedReply
from bpu.simulator.conversation import Conversation, is_chinese
from bpu.simulator.directives import Directives
from bpu.simulator.recall import Recall, find_recall, states_value
from bpu.simulator.tokens import Tokenizer
from bpu.simulator.tool_calls import Tool, ToolCall, demanded_tool, mentioned_tool, offered_tools

_FILL_EN = "the simulator goes on with one more word after another and says nothing that is of any use to you . "
_FILL_ZH = "模拟器继续说下去，一个字接着一个字，没有什么意义。"
#: More of a tool's result is not repeated.
_MAX_RESULT_CHARACTERS = 300


class ReasoningStyle(NamedTuple):
    """Whether the model reasons, and whether it writes the opening tag itself."""

    reasons: bool = True
    opens_tag: bool = False


class Answer(NamedTuple):
    """Reasoning, and the reply after it."""

    reasoning: str
    reply: str


def respond(
    conversation: Conversation, directives: Directives, tokenizer: Tokenizer, style: ReasoningStyle
) -> list[bytes]:
    """The tokens of the raw answer, the model's special tokens included."""
    if directives.say is not None:
        return tokenizer.encode(directives.say)
    reasons = style.reasons and conversation.reasons
    if directives.tokens is not None or directives.nonce:
        pieces = _filled_answer(conversation, directives, tokenizer, reasons)
    else:
        pieces = _chosen_answer(conversation, directives, tokenizer, reasons)
    return tokenizer.encode("<think>\n") + pieces if reasons and style.opens_tag else pieces


def _chosen_answer(
    conversation: Conversation, directives: Directives, tokenizer: Tokenizer, reasons: bool
) -> list[bytes]:
    answer = choose_answer(conversation)
    reply = tokenizer.encode(answer.reply)
    if not reasons:
        return reply
    if directives.think is None:
        reasoning = tokenizer.encode(answer.reasoning + "\n")
    else:
        reasoning = _filler(directives.think, directives.nonce, conversation.chinese, tokenizer)
    return [*reasoning, *tokenizer.encode("</think>\n\n"), *reply]


def _filled_answer(
    conversation: Conversation, directives: Directives, tokenizer: Tokenizer, reasons: bool
) -> list[bytes]:
    """Exactly as many tokens as wanted, a third of them reasoning by default."""
    total = 60 if directives.tokens is None else directives.tokens
    if not reasons:
        return _filler(total, directives.nonce, conversation.chinese, tokenizer)
    think = total // 3 if directives.think is None else directives.think
    pieces = _filler(think, directives.nonce, conversation.chinese, tokenizer) + tokenizer.encode("</think>\n\n")
    return (pieces + _filler(total - len(pieces), directives.nonce, conversation.chinese, tokenizer))[:total]


def _filler(tokens: int, nonce: str, chinese: bool, tokenizer: Tokenizer) -> list[bytes]:
    phrase = _FILL_ZH if chinese else _FILL_EN
    phrase = f"{nonce} {phrase}" if nonce else phrase
    once = max(1, tokenizer.count(phrase))
    return tokenizer.encode(phrase * (max(0, tokens) // once + 1))[: max(0, tokens)]


def choose_answer(conversation: Conversation) -> Answer:
    """The answer of the first rule that applies."""
    if conversation.last.role == "tool":
        return _tool_result(conversation)
    tools = offered_tools(conversation.text)
    if tool := demanded_tool(tools, conversation.instructions):
        return _tool_call(tool.call(), chinese=conversation.chinese)
    words = _answer_in_words(conversation, tools)
    if (reply := json_mode.json_reply(conversation, words.reply, has_tools=bool(tools))) is not None:
        return Answer("用户要求用 JSON 回答。" if conversation.chinese else "The answer must be JSON.", reply)
    return words


def _answer_in_words(conversation: Conversation, tools: Sequence[Tool]) -> Answer:
    question, chinese = conversation.focus, conversation.chinese
    if seen := images.answer(question, conversation.text):
        return _with_note("The chat holds an image.", seen, chinese=chinese)
    if recall := find_recall(question, conversation.text):
        return _recall(recall, chinese=chinese)
    if canned := canned_replies.find(question):
        return _canned(canned, tools, chinese=chinese)
    if equation := find_equation(question):
        return _equation(equation, chinese=chinese)
    if states_value(question):
        return _acknowledgement(chinese=chinese)
    if tool := mentioned_tool(tools, question):
        return _tool_call(tool.call(), chinese=chinese)
    return _canned(canned_replies.fallback(chinese=chinese), tools, chinese=chinese)


def _with_note(reasoning: str, reply: str, *, chinese: bool) -> Answer:
    """An answer in words; its last line says that a simulator wrote it."""
    return Answer(reasoning, f"{reply}\n\n{canned_replies.note(chinese=chinese)}")


def _canned(canned: CannedReply, tools: Sequence[Tool], *, chinese: bool) -> Answer:
    """A stored answer: its tool calls where all of them are possible, else its words."""
    by_name = {tool.name: tool for tool in tools}
    possible = all(call.name in by_name and by_name[call.name].accepts(call.arguments) for call in canned.calls)
    if canned.calls and possible:
        return Answer(canned.reasoning, "\n".join(call.text() for call in canned.calls))
    return _with_note(canned.reasoning, canned.text, chinese=chinese)


def _acknowledgement(*, chinese: bool) -> Answer:
    if chinese:
        return _with_note("用户告诉我一个名字或暗号，对话会保留它。", "好的。", chinese=True)
    return _with_note(
        "The user states a name or a secret word, which the conversation now holds.", "OK.", chinese=False
    )


def _tool_call(call: ToolCall, *, chinese: bool) -> Answer:
    if chinese:
        return Answer(f"这个问题要用工具 {call.name}，参数取它的默认值。", call.text())
    return Answer(f"This needs the tool {call.name}, with the defaults of its arguments.", call.text())


def _tool_result(conversation: Conversation) -> Answer:
    """The result of a tool in words, in the language of the question before it."""
    result = " ".join(conversation.last.text.split())[:_MAX_RESULT_CHARACTERS]
    users = [message.text for message in conversation.messages if message.role == "user"]
    if users and is_chinese(users[-1].split("\n\n")[-1]):
        return _with_note("工具已经返回结果，我来说明。", f"工具的结果是：{result}", chinese=True)
    return _with_note(
        "The tool has returned its result, so I report it.", f"The tool's result: {result}", chinese=False
    )


def _equation(equation: Equation, *, chinese: bool) -> Answer:
    if equation.value is None:
        reasoning, reply = "The divisor is zero.", f"{equation.expression} has no result: the divisor is zero."
        if chinese:
            reasoning, reply = "除数是零。", f"{equation.expression} 没有结果：除数不能是零。"
    else:
        reasoning = f"用户要计算 {equation.expression}。" if chinese else f"The user wants {equation.expression}."
        reply = equation.text()
    return _with_note(reasoning, reply, chinese=chinese)


def _recall(recall: Recall, *, chinese: bool) -> Answer:
    """All values that the cache holds, so that a leak from another conversation shows."""
    values = ", ".join(recall.values)
    if chinese:
        kind = {"secret word": "暗号", "name": "名字"}[recall.kind]
        reasoning, reply = f"用户问{kind}，对话里有：{values}。", f"{kind}：{values}"
        if not values:
            reasoning, reply = f"用户问{kind}，对话里没有提到。", f"我不知道{kind}：对话里没有提到。"
        return _with_note(reasoning, reply, chinese=True)
    reasoning, reply = (
        f"The user asks for the {recall.kind}. The conversation holds: {values}.",
        f"The {recall.kind}: {values}",
    )
    if not values:
        reasoning, reply = (
            f"The user asks for the {recall.kind}, and the conversation holds none.",
            f"I do not know the {recall.kind}: the conversation does not mention it.",
        )
    return _with_note(reasoning, reply, chinese=False)
