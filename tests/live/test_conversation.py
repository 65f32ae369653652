"""A conversation that continues is not sent again, and nothing of it ever reaches another."""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.live.chats import ASK, Chat, ConsoleInput, cached_tokens, secret_words
from tests.live.gateway import FAST, Gateway, running, sim
from tests.support.waits import until

pytestmark = pytest.mark.long  # minutes of processor time

Start = Callable[..., Gateway]
KEEPS = {"BPU_RESET": "command", "BPU_CONTINUE": "always"}
#: Interleaved turns on the consoles that must be restarted in between; `TURNS=1000` for the full count.
FEWER = int(os.environ.get("TURNS", "22"))


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> ConsoleInput:
    return ConsoleInput(tmp_path_factory.mktemp("record") / "lines")


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory, read: ConsoleInput) -> Iterator[Gateway]:
    """A gateway on a console that keeps the conversation and forgets it on `reset`."""
    env = {**KEEPS, "BPU_CONSOLE_ARGS": f"{read.options} --prefill-rate 20000"}
    with running(tmp_path_factory.mktemp("keeping"), env=env) as started:
        yield started


def test_twenty_turns_are_each_sent_alone(keeping: Gateway, read: ConsoleInput) -> None:
    before = len(read.lines())
    chat = Chat(keeping)
    answers = [chat.say(f"Tell me about the number {number}.") for number in range(10, 30)]
    lines = read.lines()[before:]
    sent = [line for _, line in lines if line != "reset"]
    assert sent[1:] == [f"Tell me about the number {number}." for number in range(11, 30)]
    assert "reset" not in [line for _, line in lines[1:]]
    assert len({pid for pid, _ in lines}) == 1
    held = [cached_tokens(answer) for answer in answers]
    assert held[0] == 0
    assert held == sorted(set(held))
    written = {answer["timings"]["prompt_n"] for answer in answers}
    assert len(written) == 1, "the tokens of prefill, and with them the time to the first token, are flat"
    # What one turn holds is all that was read and said in the turns before it.
    for number, answer in enumerate(answers[1:], 1):
        usage = answers[number - 1]["usage"]
        # An answer is counted piece by piece for the client and as a whole for the cache: a token here and there.
        assert abs(held[number] - usage["prompt_tokens"] - usage["completion_tokens"]) <= 4
        assert answer["usage"]["prompt_tokens"] == held[number] + answer["timings"]["prompt_n"]


def test_a_log_line_that_an_earlier_turn_held_can_be_quoted(keeping: Gateway) -> None:
    """It looks as a library's line looks between two pieces of an answer, and is not sent again with the question."""
    log = "[E][29163][02-26][22:02:19:008][configuration.cpp:188][xlm_demo][DNN] text"
    said = f"</think>It is\n{log}\nindeed."
    chat = Chat(keeping)
    chat.say(f"What is {log}?")
    answer = chat.say(sim("And?", say=base64.urlsafe_b64encode(said.encode()).decode()))
    assert cached_tokens(answer) > 0
    assert answer["choices"][0]["message"]["content"] == f"It is\n{log}\nindeed."


def test_a_chat_that_fills_the_cache_begins_anew_before_it_is_full(start: Start, tmp_path: Path) -> None:
    """What is kept holds every reasoning, which the messages leave out: the cache is full before the context is."""
    read = ConsoleInput(tmp_path / "lines")
    gateway = start(env={**KEEPS, "BPU_CONTEXT_SIZE": "700", "BPU_CONSOLE_ARGS": read.options})
    chat = Chat(gateway)
    counts = [cached_tokens(chat.say(sim(f"Line {number}", tokens=57, think=50))) for number in range(14)]
    assert 0 in counts[1:]
    assert max(counts) > 500
    assert gateway.engine()["restarts"] == {}


def told(gateway: Gateway, word: str, **options: Any) -> Chat:
    """A conversation that holds a secret word."""
    chat = Chat(gateway, **options)
    chat.say(f"The secret word is {word}. Answer only OK.")
    return chat


def another(chat: Chat) -> dict[str, Any]:
    return Chat(chat.gateway).say(ASK)


def other_key(chat: Chat) -> dict[str, Any]:
    return Chat(chat.gateway, key="another", messages=chat.messages).say(ASK)


def edited_question(chat: Chat) -> dict[str, Any]:
    chat.messages[0]["content"] = "The secret word is ZQ77. Answer only OK."
    return chat.say(ASK)


def edited_turn(chat: Chat) -> dict[str, Any]:
    chat.messages[1]["content"] = "OK."
    return edited_question(chat)


def edited_answer(chat: Chat) -> dict[str, Any]:
    chat.messages[1]["content"] = "No."
    return chat.say(ASK)


def regenerated(chat: Chat) -> dict[str, Any]:
    chat.say("1+1=?")
    del chat.messages[-2:]
    return chat.say(ASK)


def other_system(chat: Chat) -> dict[str, Any]:
    chat.messages.insert(0, {"role": "system", "content": "Be brief."})
    return chat.say(ASK)


def without_thinking(chat: Chat) -> dict[str, Any]:
    return chat.say(ASK, enable_thinking=False)


def cut_by_a_limit(chat: Chat) -> dict[str, Any]:
    assert chat.say("1+1=?", max_tokens=3)["choices"][0]["finish_reason"] == "length"
    return chat.say(ASK)


def cut_by_a_stop_string(chat: Chat) -> dict[str, Any]:
    chat.say("1+1=?", stop=["2"])
    return chat.say(ASK)


def left(chat: Chat) -> dict[str, Any]:
    stream = chat.gateway.stream(sim(tokens=3000, rate=50), messages=chat.body(sim(tokens=3000, rate=50))["messages"])
    stream.until_text().close()
    return chat.say(ASK)


def failed(chat: Chat) -> dict[str, Any]:
    body = chat.body(sim(fault="run-error"))
    status, _, _ = chat.gateway.request("POST", "/v1/chat/completions", body)
    assert status == 502
    return chat.say(ASK)


#: What does not continue, and the words that the answer may know then.
UNRELATED = [
    (another, set()),
    (other_key, {"ZQ1"}),
    (edited_question, {"ZQ77"}),
    (edited_turn, {"ZQ77"}),
    (edited_answer, {"ZQ1"}),
    (regenerated, {"ZQ1"}),
    (other_system, {"ZQ1"}),
    (without_thinking, {"ZQ1"}),
    (cut_by_a_limit, {"ZQ1"}),
    (cut_by_a_stop_string, {"ZQ1"}),
    (left, {"ZQ1"}),
    (failed, {"ZQ1"}),
]


@pytest.mark.parametrize(("unrelated", "known"), UNRELATED, ids=lambda value: getattr(value, "__name__", ""))
def test_anything_else_begins_from_an_empty_cache(
    keeping: Gateway, read: ConsoleInput, unrelated: Callable[[Chat], dict[str, Any]], known: set[str]
) -> None:
    answer = unrelated(told(keeping, "ZQ1"))
    assert cached_tokens(answer) == 0
    assert read.starts()[-1] in ("reset", "new")
    assert secret_words(answer) == known


def test_two_conversations_in_turn_are_each_sent_whole(keeping: Gateway, read: ConsoleInput) -> None:
    first, second = told(keeping, "ZQ1"), told(keeping, "ZQ2")
    for _ in range(3):
        assert secret_words(first.say(ASK)) == {"ZQ1"}
        assert secret_words(second.say(ASK)) == {"ZQ2"}
    # The first of them may have found a console that was just loaded.
    assert read.starts()[-7:] == ["reset"] * 7
    answer = second.say(ASK)
    assert (secret_words(answer), cached_tokens(answer) > 0, read.starts()[-1]) == ({"ZQ2"}, True, "on")


# Consoles that are not what they say


def learnt(gateway: Gateway) -> dict[str, bool]:
    """What is known of the console once it has been examined."""
    until(lambda: gateway.state() == "ready", seconds=60, what="the examination is over")
    trust = gateway.engine()["trust"]
    return {name: trust[name] for name in ("keeps", "resets")}


#: Settings that pick the console, and what is found out about it.
CONSOLES: dict[str, tuple[dict[str, str], dict[str, bool]]] = {
    "xlm_demo": ({}, {"keeps": True, "resets": True}),
    "node": ({"BPU_CONSOLE_PROFILE": "hobot_xlm"}, {"keeps": True, "resets": False}),
    "forgetful": ({"BPU_CONSOLE_ARGS": f"{FAST} --history none"}, {"keeps": False, "resets": False}),
}


def interleave(gateway: Gateway, turns: int, *, conversations: int = 8) -> tuple[int, int]:
    """So many turns of conversations that come and go, at once and one after the other; (turns, of them continued).

    Every answer must know the secret word of its own conversation, and no other.
    """
    choose, numbers = random.Random(1), iter(range(1, turns + 1))

    def fresh() -> tuple[Chat, str]:
        number = next(numbers)
        return Chat(gateway, key=f"key{number % 3}"), f"ZQ{number}"

    def turn(one: tuple[Chat, str]) -> int:
        chat, word = one
        answer = chat.say(ASK if chat.messages else f"The secret word is {word}. {ASK}")
        assert secret_words(answer) == {word}
        return int(cached_tokens(answer) > 0)

    chats = [fresh() for _ in range(conversations)]
    done = continued = 0
    with ThreadPoolExecutor(conversations) as pool:
        while done < turns:
            continued += sum(pool.map(turn, chats))
            alone = choose.choice(chats)
            continued += sum(turn(alone) for _ in range(3))
            done += conversations + 3
            chats = [one if len(one[0].messages) < 16 else fresh() for one in chats]
    return done, continued


@pytest.mark.timeout(400)
@pytest.mark.parametrize("console", CONSOLES)
def test_no_word_of_one_conversation_reaches_another(start: Start, console: str) -> None:
    settings, facts = CONSOLES[console]
    env = {"BPU_RESET": "auto", "BPU_CONTINUE": "auto", **settings}
    gateway = start(workers=4, reuse_port=True, env=env)
    interleave(gateway, 8)  # some of them while it is examined
    assert learnt(gateway) == facts
    turns = max(FEWER, 200) if facts["resets"] else FEWER
    done, continued = interleave(gateway, turns)
    assert done >= turns
    assert (continued > 0) is facts["keeps"]


# Settings


#: BPU_RESET, BPU_CONTINUE -> how a second conversation begins, and whether a chat goes on from the cache.
SETTINGS = [
    ("command", "always", "reset", True),
    ("command", "never", "reset", False),
    ("restart", "always", "new", True),
    ("restart", "never", "new", False),
]


@pytest.mark.parametrize(("reset", "continues", "begins", "goes_on"), SETTINGS)
def test_the_settings_overrule_the_self_test(
    start: Start, tmp_path: Path, reset: str, continues: str, begins: str, goes_on: bool
) -> None:
    read = ConsoleInput(tmp_path / "lines")
    env = {"BPU_RESET": reset, "BPU_CONTINUE": continues, "BPU_CONSOLE_ARGS": read.options}
    gateway = start(env=env)
    chat = told(gateway, "ZQ1")
    answer = chat.say(ASK)
    assert secret_words(answer) == {"ZQ1"}
    assert (cached_tokens(answer) > 0) is goes_on
    told(gateway, "ZQ2")
    assert read.starts() == ["new", "on" if goes_on else begins, begins]
    assert not list(gateway.state_dir.rglob("console-*.json")), "nothing is left to be found out"


def test_what_is_recorded_of_a_console_holds_for_the_next_start(start: Start) -> None:
    env = {"BPU_RESET": "auto", "BPU_CONTINUE": "auto"}
    first = start(env=env)
    assert learnt(first)["resets"]
    first.stop()
    kept = {"BPU_STATE_DIR": str(first.state_dir), "HOME": str(first.state_dir)}
    again = start(env={**env, **kept})
    chat = told(again, "ZQ1")
    assert cached_tokens(chat.say(ASK)) > 0
    another_one = told(again, "ZQ2")
    assert secret_words(another_one.say(ASK)) == {"ZQ2"}
    engine = again.engine()
    assert (engine["loads"], engine["restarts"]) == (1, {})
    # Other arguments make another console, of which nothing is known.
    other = start(env={**env, **kept, "BPU_CONSOLE_ARGS": f"{FAST} --reset broken"}) if not again.stop() else None
    assert other is not None
    assert other.engine()["trust"]["resets"] is False
