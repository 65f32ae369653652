"""What times decide: ends that no model could have said, the silence behind other ends, and what only looks printed."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from bpu.console.events import Done, Event, Log, Stats
from bpu.console.pace import Arrival
from bpu.console.parser import Parser, ParserState
from bpu.console.profiles import PROFILES
from bpu.console.traits import UNKNOWN_TRAITS, Traits
from tests.unit.console.consoles import text_of

MARKER, PROMPT = "[Assistant] >>> ", "[User] <<< "
STATISTICS = "\nPerformance prefill: 1113.04tokens/s    decode: 20.22tokens/s\n"
STEP_S = 0.06
WORDS = [MARKER, *(f" word{letter}" for letter in "abcdefghijkl")]


class Timed:
    """One turn of a console whose output is read when it comes, and watched as a job watches it."""

    def __init__(self, profile: str = "xlm_demo", *, line: str = "hi", traits: Traits = UNKNOWN_TRAITS) -> None:
        self.parser = Parser(PROFILES[profile], state=ParserState.IDLE, traits=traits)
        self.parser.begin(line.encode())
        self.now = 100.0
        self.events: list[Event] = []

    def read(self, *pieces: str, gap_s: float = STEP_S) -> Timed:
        """Read `pieces`, each written `gap_s` after the one before and read within a millisecond."""
        for piece in pieces:
            self.now += gap_s
            self.events += self.parser.feed(piece.encode(), Arrival(self.now - min(gap_s, 0.001), self.now))
        return self

    def quiet(self) -> Timed:
        """Silence follows, unless the turn is over."""
        if self.events[-1:] != [Done()]:
            assert self.parser.quiet_after is not None
            self.events += self.parser.quiet()
        return self


def tokens(text: str) -> Iterable[str]:
    """`text` as a model says it, a few characters a step."""
    return [text[at : at + 4] for at in range(0, len(text), 4)]


def test_figures_in_free_words_prove_an_end_and_the_words_do_not() -> None:
    end = "\n[Performance] prefill TPS: 5626 tokens/s  decode TPS: 84.8 tokens/s{}\n" + PROMPT
    assert Timed("llm").read(*WORDS, end.format("")).events[-1] == Done()
    late = Timed("llm").read(*WORDS)
    late.now += 0.3
    late.events += late.parser.feed(end.format(" không" * 120).encode(), Arrival(late.now - 0.3, late.now))
    assert Done() not in late.events


def test_a_line_with_a_mark_teaches_no_echo() -> None:
    said = tokens("Say this\n" + MARKER)
    turn = Timed(line=MARKER + "Say this").read(MARKER, *said, *WORDS[1:], STATISTICS + PROMPT)
    assert turn.events[-1] == Done()
    report = turn.parser.report()
    assert (report.proven, report.echo) == (True, None)
    learnt = UNKNOWN_TRAITS.after(report, fresh=True)
    assert text_of(Timed(traits=learnt).read(*WORDS).events).startswith(" worda")


def test_a_line_without_a_mark_teaches_its_echo() -> None:
    turn = Timed(line="Say this").read("<user>Say this\n" + MARKER, *WORDS[1:], STATISTICS + PROMPT)
    assert turn.parser.report().echo is not None


@pytest.mark.parametrize("profile", ["xlm_demo", "oellm_run"])
def test_an_end_that_comes_at_once_is_proven(profile: str) -> None:
    turn = Timed(profile).read(*WORDS, STATISTICS + PROMPT)
    assert (turn.events[-1], turn.parser.report().proven) == (Done(), True)


def test_at_an_unknown_pace_the_gap_before_an_end_makes_its_silence_longer() -> None:
    turn = Timed("oellm_run").read(MARKER).read("one two six ten red ", "\n" + PROMPT, gap_s=1.5)
    assert turn.parser.quiet_after == pytest.approx(6.0)
    assert turn.quiet().parser.report(at_rest=True).must_discard(reads_ahead=True) is False


def test_a_known_pace_makes_the_gap_before_an_end_no_longer_silence() -> None:
    turn = Timed("oellm_run", traits=Traits(step_s=0.06)).read(MARKER, "one two six ten red ")
    assert turn.read("\n" + PROMPT, gap_s=1.5).parser.quiet_after == pytest.approx(0.25)


@pytest.mark.parametrize("reads", [(MARKER, "\n" + PROMPT), (MARKER + "one two\n" + PROMPT,)])
def test_a_silent_end_that_shows_no_step_at_all_is_not_trusted_with_another_line(reads: tuple[str, ...]) -> None:
    report = Timed("oellm_run").read(*reads).quiet().parser.report(at_rest=True)
    assert report.must_discard(reads_ahead=True)
    assert not report.must_discard(reads_ahead=False)
    known = Timed("oellm_run", traits=Traits(step_s=0.06)).read(*reads).quiet().parser.report(at_rest=True)
    assert not known.must_discard(reads_ahead=True)


LOG = "[E][29163][02-26][22:02:19:008][configuration.cpp:188][xlm_demo] failed"
MONITOR = "[BPU][[BPU_MONITOR]][281473285378048][INFO] task 3 is slow"
SAID = [
    *(f"A line:\n{log}\nand more." for log in (LOG, MONITOR)),
    *(f"A line of the log is {log}" for log in (LOG, MONITOR)),
    f"Two:\n{LOG}\n{MONITOR}\n",
    "The last words are" + STATISTICS.removesuffix("\n"),
    "They are" + STATISTICS + "\n",
    "Others\n\n===== prefill token num: 9 prefill cost: 1.5 ms, prefill speed: 9.5 tokens/s =====\n"
    "===== decode token num: 9 cost per token: 1.5 ms, decode speed: 9.5 tokens/s =====",
]


@pytest.mark.parametrize("gap_s", [0.009, STEP_S, 0.27, 2.5])
@pytest.mark.parametrize("said", SAID)
def test_what_a_model_says_in_steps_is_text_whatever_it_looks_like(said: str, gap_s: float) -> None:
    for end in (STATISTICS + PROMPT, "\n" + PROMPT):
        turn = Timed().read(MARKER + "So ", *tokens("this is what it prints. " * 3 + said), end, gap_s=gap_s)
        events = turn.quiet().events
        assert text_of(events) == "So " + "this is what it prints. " * 3 + said
        assert events[-1] == Done()
        assert not any(isinstance(event, Log) for event in events)


def test_a_library_that_writes_at_once_is_no_part_of_an_answer_in_steps() -> None:
    turn = Timed().read(MARKER, *WORDS[1:5], " a [")
    turn.read(LOG + "\n", gap_s=0.002).read(*WORDS[5:])
    turn.read(MONITOR[:30], gap_s=0.03).read(MONITOR[30:] + "\n", gap_s=0.2).read(STATISTICS + PROMPT)
    assert text_of(turn.quiet().events) == "".join(WORDS[1:5]) + " a [" + "".join(WORDS[5:])
    assert sum(isinstance(event, Log) for event in turn.events) == 2


@pytest.mark.parametrize("pause_s", [0.002, 0.4])
def test_statistics_that_a_console_prints_with_a_pause_before_its_prompt_are_no_text(pause_s: float) -> None:
    turn = Timed().read(*WORDS, STATISTICS[:30]).read(STATISTICS[30:45], STATISTICS[45:], gap_s=0.0004)
    assert text_of(turn.read(PROMPT, gap_s=pause_s).quiet().events).endswith("wordl")


def test_the_line_break_of_a_log_line_that_nobody_watched_may_be_the_consoles() -> None:
    turn = Timed().read(*WORDS).read(f" the log is {LOG}{STATISTICS}{PROMPT}")
    assert text_of(turn.quiet().events).endswith("wordl the log is ")
    assert isinstance(turn.events[-2], Stats)


def test_an_answer_of_several_steps_that_comes_at_once_shows_a_short_step() -> None:
    turn = Timed("oellm_run").read(f"{MARKER}one two three{STATISTICS}{PROMPT}", gap_s=0.01).quiet()
    assert not turn.parser.report(at_rest=True).must_discard(reads_ahead=True)
    late = Timed("oellm_run")
    late.events += late.parser.feed(f"{MARKER}one two three{STATISTICS}{PROMPT}".encode(), Arrival(97.0, 100.0))
    assert late.quiet().parser.report(at_rest=True).must_discard(reads_ahead=True)


@pytest.mark.parametrize(("line", "echo"), [(">>", "<user>>></s>"), ("aa", "<a>aaa</a>")])
def test_a_line_that_its_echo_holds_at_two_places_teaches_no_echo(line: str, echo: str) -> None:
    turn = Timed(line=line).read(echo + "\n" + MARKER, *WORDS[1:], STATISTICS + PROMPT)
    report = turn.parser.report()
    assert (report.proven, report.echo) == (True, None)


def read_late(turn: Timed, text: str, *, per_read: int, late_s: float) -> Timed:
    """Read `text` with a worker that gets the processor every `late_s` seconds only."""
    words = text.split(" ")
    for at in range(0, len(words), per_read):
        turn.now += late_s
        piece = "".join(f" {word}" for word in words[at : at + per_read]).encode()
        turn.events += turn.parser.feed(piece, Arrival(turn.now - late_s, turn.now))
    return turn


def test_a_worker_that_reads_late_does_not_make_a_quick_model_seem_slow() -> None:
    """At 1000 tokens/s, read every 0.2 s, a step seems to be 0.2 s; the statistics are 20 ms of such a model."""
    late = read_late(Timed("oellm_run").read(MARKER), " ".join(["word"] * 2000), per_read=200, late_s=0.2)
    report = late.parser.report()
    assert report.step_s == pytest.approx(0.2)
    learnt = UNKNOWN_TRAITS.after(report, fresh=False)
    turn = Timed("oellm_run", traits=learnt).read(MARKER, " word")
    turn.now += 0.03
    turn.events += turn.parser.feed((STATISTICS + PROMPT).encode(), Arrival(turn.now - 0.03, turn.now))
    assert Done() not in turn.events


def test_at_the_pace_of_a_real_model_the_same_end_is_proven() -> None:
    slow = Timed("oellm_run").read(*WORDS)
    learnt = UNKNOWN_TRAITS.after(slow.parser.report(), fresh=False)
    turn = Timed("oellm_run", traits=learnt).read(MARKER, " word")
    turn.now += 0.03
    turn.events += turn.parser.feed((STATISTICS + PROMPT).encode(), Arrival(turn.now - 0.03, turn.now))
    assert turn.events[-1] == Done()


@pytest.mark.parametrize("profile", ["xlm_demo", "oellm_multichat"])
def test_where_rest_cannot_be_told_a_console_that_reads_ahead_is_ended_though_it_echoes(profile: str) -> None:
    """What follows the false end may be the echo of a line that can be guessed."""
    turn = Timed(profile).read("<user>hi</user>\n" + MARKER, *WORDS[1:], "\n" + PROMPT)
    report = turn.quiet().parser.report(at_rest=None)
    assert report.must_discard(reads_ahead=turn.parser.profile.reads_ahead) is (profile == "xlm_demo")
