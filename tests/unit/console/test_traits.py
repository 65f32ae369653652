"""What a console's turns teach: pace is measured, and no words and no single answer spoil what is known."""

from __future__ import annotations

import pytest

from bpu.console.traits import Traits, TurnReport


def after(traits: Traits, *reports: TurnReport) -> Traits:
    for report in reports:
        traits = traits.after(report, fresh=False)
    return traits


def test_a_slower_step_counts_at_once_and_a_faster_one_by_half() -> None:
    assert after(Traits(), TurnReport(step_s=0.06)).step_s == 0.06
    assert after(Traits(step_s=0.06), TurnReport(step_s=0.1)).step_s == 0.1
    assert after(Traits(step_s=0.06), TurnReport(step_s=0.02)).step_s == pytest.approx(0.04)


def test_an_answer_that_is_made_to_seem_slow_doubles_the_step_at_most() -> None:
    assert after(Traits(step_s=0.02), TurnReport(step_s=1.6)).step_s == pytest.approx(0.04)


def test_short_answers_lower_a_step_that_a_slow_answer_has_raised() -> None:
    short = TurnReport(few_gaps=(0.02, 0.02, 0.02, 0.02))
    learnt = after(Traits(step_s=0.8), *[short] * 12)
    assert learnt.step_s == pytest.approx(0.03, abs=0.01)


def test_short_answers_show_the_step_together() -> None:
    short = TurnReport(few_gaps=(0.05, 0.06, 0.07, 0.06))
    first = after(Traits(), short)
    assert (first.step_s, first.few_gaps) == (None, short.few_gaps)
    assert after(first, short).step_s == 0.07
