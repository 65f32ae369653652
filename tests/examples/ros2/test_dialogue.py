"""The conversation of a robot: turns, memory, barge-in, pace. All by values; no ROS and no network."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import ros2

# isort: split
from bpu_chat.dialogue import NO_WORDS, Abort, Action, Answer, Ask, Dialogue, Partial, Report, Say, State
from bpu_chat.pacing import Pacer
from bpu_chat.speech import segments

assert ros2.PACKAGE


def dialogue(**fields: Any) -> Dialogue:
    """One that speaks at once, however much it is."""
    return Dialogue(**{"pacer": Pacer(ahead=10_000), **fields})


def of(kind: type, actions: list[Action]) -> list[Any]:
    return [action for action in actions if isinstance(action, kind)]


def exchange(talk: Dialogue, question: str, answer: str) -> int:
    """Ask and answer; the number of the turn."""
    (ask,) = of(Ask, talk.on_prompt(question, 0))
    talk.on_content(ask.turn, answer, 0)
    talk.on_end(ask.turn, 0)
    talk.tick(1e9)
    return int(ask.turn)


def test_a_prompt_is_asked_and_its_answer_spoken_in_order() -> None:
    talk = dialogue(system="Be short.")
    actions = talk.on_prompt("你好，", 0)
    assert actions == [
        Ask(1, [{"role": "system", "content": "Be short."}, {"role": "user", "content": "你好，"}]),
        Report(State.WAITING, 1),
    ]
    assert talk.on_content(1, "<think>嗯。", 0) == []
    assert talk.on_content(1, "</think>你好！**我，", 0) == [
        Say("你好！"),
        Partial("你好！**我，"),
        Report(State.ANSWERING, 1),
    ]
    assert talk.on_content(1, "是机器人**", 0) == [Partial("是机器人**")]
    assert talk.on_end(1, 0) == [Say("我，是机器人。"), Answer("你好！**我，是机器人**")]
    assert talk.state is State.SPEAKING
    assert talk.tick(1e9) == [Report(State.IDLE, 1)]


def test_a_new_sentence_stops_speech_and_job_and_the_old_answer_says_no_more() -> None:
    talk = dialogue()
    talk.on_prompt("讲个故事", 0)
    talk.on_content(1, "从前有座山。山", 0)
    actions = talk.on_prompt("停一下，现在几点？", 1)
    assert actions[0] == Abort(1)
    assert of(Ask, actions)[0].messages == [
        {"role": "user", "content": "讲个故事"},
        {"role": "assistant", "content": "从前有座山。"},
        {"role": "user", "content": "停一下，现在几点？"},
    ]
    assert talk.on_content(1, "里有座庙。", 1) == []
    assert talk.on_end(1, 1) == []
    assert talk.on_error(1, "cancelled", 1) == []
    assert of(Say, talk.on_content(2, "三点。", 1)) == [Say("三点。")]


def test_pieces_that_wait_are_dropped_by_a_new_sentence() -> None:
    talk = Dialogue(pacer=Pacer(ahead=1))
    talk.on_prompt("讲个故事", 0)
    first = talk.on_content(1, "从前有座山。山里有座庙。庙里有和尚。", 0)
    assert of(Say, first) == [Say("从前有座山。")]
    talk.on_prompt("别讲了，拿水", 0.1)
    assert of(Say, talk.tick(1e9)) == []


@pytest.mark.parametrize("words", ["停", "停止。", " Stop! ", "别说了，"])
def test_a_stop_word_stops_without_the_model(words: str) -> None:
    talk = dialogue()
    talk.on_prompt("讲个故事", 0)
    assert talk.on_prompt(words, 0) == [Abort(1), Report(State.IDLE, 1)]
    assert talk.on_prompt(words, 0) == []


@pytest.mark.parametrize("noise", ["", " ", "，", "。。", "...", "\n"])
def test_noise_is_no_prompt(noise: str) -> None:
    talk = dialogue()
    talk.on_prompt("讲个故事", 0)
    assert talk.on_prompt(noise, 0) == []
    assert talk.state is State.WAITING


def test_without_barge_in_a_sentence_waits_for_silence() -> None:
    talk = dialogue(barge_in=False)
    talk.on_prompt("讲个故事", 0)
    assert talk.on_prompt("拿水", 0) == []
    talk.on_content(1, "从前有座山。", 0)
    talk.on_end(1, 0)
    assert talk.on_prompt("拿水", 0.1) == []
    assert talk.on_prompt("停", 0.1) == [Report(State.IDLE, 1)]
    assert of(Ask, talk.on_prompt("拿水", 1e9)) != []


def test_the_memory_has_a_length_and_forgets_on_demand() -> None:
    talk = dialogue(memory_turns=2)
    for number in range(5):
        exchange(talk, f"问题{number}", f"回答{number}。")
    (ask,) = of(Ask, talk.on_prompt("最后", 0))
    assert [one["content"] for one in ask.messages] == ["问题3", "回答3。", "问题4", "回答4。", "最后"]
    talk.forget(0)
    (ask,) = of(Ask, talk.on_prompt("新的", 0))
    assert [one["content"] for one in ask.messages] == ["新的"]


def test_without_memory_every_question_stands_alone() -> None:
    talk = dialogue(memory_turns=0)
    exchange(talk, "一", "二。")
    assert of(Ask, talk.on_prompt("三", 0))[0].messages == [{"role": "user", "content": "三"}]


def test_a_turn_without_a_word_leaves_nothing() -> None:
    talk = dialogue()
    talk.on_prompt("讲个故事", 0)
    assert talk.on_error(1, "no memory", 0) == [Report(State.IDLE, 1, "no memory")]
    talk.on_prompt("再来", 0)
    talk.cancel(0)
    assert of(Ask, talk.on_prompt("拿水", 0))[0].messages == [{"role": "user", "content": "拿水"}]


@pytest.mark.parametrize("content", ["", "\n", "<think>a long thought that is cut"])
def test_an_answer_without_words_is_reported(content: str) -> None:
    talk = dialogue()
    talk.on_prompt("讲个故事", 0)
    talk.on_content(1, content, 0)
    assert talk.on_end(1, 0)[-1] == Report(State.IDLE, 1, NO_WORDS)
    assert talk.state is State.IDLE


def test_a_conversation_that_is_too_long_is_forgotten_and_asked_once_more() -> None:
    talk = dialogue()
    exchange(talk, "一", "二。")
    talk.on_prompt("三", 0)
    again = talk.on_error(2, "too long", 0, code="context_length_exceeded")
    assert again[0] == Ask(3, [{"role": "user", "content": "三"}])
    assert talk.on_error(3, "too long", 0, code="context_length_exceeded") == [Report(State.IDLE, 3, "too long")]


def test_an_image_goes_with_its_question_and_not_with_later_ones() -> None:
    talk = dialogue()
    (ask,) = of(Ask, talk.on_prompt("这是什么", 0, image="data:image/png;base64,AA"))
    assert [part["type"] for part in ask.messages[0]["content"]] == ["image_url", "text"]
    talk.on_content(1, "杯子。", 0)
    talk.on_end(1, 0)
    talk.tick(1e9)
    assert of(Ask, talk.on_prompt("什么颜色", 0))[0].messages[0] == {"role": "user", "content": "这是什么"}


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("prompt"), st.sampled_from(["问", "停", "，"])),
        st.tuples(st.just("content"), st.sampled_from(["好。", "字", "a. ", "<think>", "</think>"])),
        st.tuples(st.just("end"), st.just("")),
        st.tuples(st.just("error"), st.sampled_from(["", "context_length_exceeded"])),
        st.tuples(st.just("cancel"), st.just("")),
        st.tuples(st.just("tick"), st.just("")),
    ),
    max_size=30,
)


@given(EVENTS, st.integers(0, 3))
def test_whatever_happens_at_most_one_turn_is_active_and_every_turn_ends(events: Any, late: int) -> None:
    talk, active, now = Dialogue(pacer=Pacer(ahead=1)), set[int](), 0.0
    latest = 0
    for name, value in events:
        now += 0.3
        turn = latest if late == 0 else max(0, latest - late + 1)
        actions = {
            "prompt": lambda: talk.on_prompt(value, now),  # noqa: B023
            "content": lambda: talk.on_content(turn, value, now),  # noqa: B023
            "end": lambda: talk.on_end(turn, now),  # noqa: B023
            "error": lambda: talk.on_error(turn, "no", now, code=value),  # noqa: B023
            "cancel": lambda: talk.cancel(now),  # noqa: B023
            "tick": lambda: talk.tick(now),  # noqa: B023
        }[name]()
        for action in actions:
            if isinstance(action, Ask):
                active.add(action.turn)
                latest = action.turn
            elif isinstance(action, Abort):
                active.discard(action.turn)
            elif isinstance(action, Answer):
                active.discard(latest)
        if name == "error":
            active &= {latest} if of(Ask, actions) else active - {turn}
        assert len(active) <= 1
        assert (talk.state in (State.WAITING, State.ANSWERING)) == bool(active)
    talk.cancel(now)
    assert talk.state is State.IDLE


# Pace


PIECES = st.lists(
    st.sampled_from(["好。", "一，二，三。", "a, b, c, d, e.", "长" * 50 + "。", "Hello there."]), max_size=30
)


@given(PIECES, st.lists(st.floats(0, 5), min_size=1, max_size=50))
def test_pieces_come_out_whole_in_order_and_never_too_many(pieces: list[str], steps: list[float]) -> None:
    pacer, now, out = Pacer(ahead=5), 0.0, list[str]()
    ends: list[float] = []  # when the speech node is done with each segment, if it speaks as estimated
    pacer.add(pieces)
    for step in [*steps, *[60.0] * (len(pieces) + 1)]:
        now += step
        for piece in pacer.due(now):
            out.append(piece)
            count = segments(piece)
            begin = max([now, *ends[-1:]])
            ends += [begin + pacer.duration(piece) / count * (number + 1) for number in range(count)]
        assert sum(end > now for end in ends) <= 5
    assert out == pieces
    assert not pacer.is_waiting()


def test_the_first_piece_does_not_wait() -> None:
    pacer = Pacer(ahead=1)
    pacer.add(["一，二，三，四，五。", "六。"])
    assert pacer.due(0.0) == ["一，二，三，四，五。"]
    assert pacer.due(0.1) == []
    assert pacer.is_speaking(0.1)
    assert pacer.due(60.0) == ["六。"]
