"""What one console showed in its turns, as values.

Only what no user can forge is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from bpu.console.pace import LEAST_STEPS, step_of

#: The most forms kept: a console renders the first line of a chat differently from a later one.
MOST_ECHOES = 4


@dataclass(frozen=True)
class EchoForm:
    """The bytes that a console prints before and after a line in its echo.

    `continued` means within a chat, not at its beginning.
    """

    prefix: bytes
    suffix: bytes
    continued: bool = False

    def echoes(self, line: bytes) -> list[bytes]:
        """Return the possible echoes of `line`.

        They hold it as it was written, or with its `\\n` made into line breaks.
        """
        bodies = {line, line.replace(b"\\n", b"\n")}
        return [self.prefix + body + self.suffix for body in bodies]


@dataclass(frozen=True)
class TurnReport:
    """What one turn showed of its console.

    `proven`: it ended with more than a model could have printed in that time; else it ended by silence, and `at_rest`
    says whether the console process did nothing meanwhile. `echo`: how it repeated the line, None where it did not.
    `echo_differs`: it repeated the line in another form than before. `blocks`: the output came like a buffer's content.
    `few_gaps`: the seconds between the steps of an answer that was too short to measure `step_s`. `has_step`: the time
    of at least one step was known when it ended, so that its silence can be judged. `rate`: tokens a second, 0 where
    the answer was too short to tell.
    """

    proven: bool = False
    at_rest: bool | None = None
    step_s: float | None = None
    few_gaps: tuple[float, ...] = ()
    statistics: str | None = None
    echo: EchoForm | None = None
    echo_differs: bool = False
    blocks: bool = False
    has_step: bool = True
    rate: float = 0.0

    def must_discard(self, *, reads_ahead: bool) -> bool:
        """Whether the console must be ended before another client's line.

        The turn may still be running. Where it is unknown whether the console is at rest, a console that reads ahead is
        ended even if it repeats lines: the rest of this turn may repeat a line that can be guessed, and a console whose
        echo is not known yet may print anything.
        """
        if self.blocks or self.proven:
            return self.blocks
        if not self.has_step and reads_ahead:
            return True
        if self.at_rest is None:
            return reads_ahead
        return not self.at_rest


@dataclass(frozen=True)
class Traits:
    """What is known of a console beyond its profile.

    Each is None or empty until a turn showed it. `step_s`: the usual step of its answers in seconds; `few_gaps`: the
    gaps of short answers, until they show the step. `statistics`: the kind of its first statistics line. `echoes`: how
    it repeats a line. `echo_exact` False: it changes lines when it repeats them, so a different echo means nothing.
    `delivers_blocks`: it buffers its output, so no end of a turn is proven. `rate`: tokens a second of its fastest
    answer; a user cannot make a model seem slower by it.
    """

    step_s: float | None = None
    few_gaps: tuple[float, ...] = ()
    statistics: str | None = None
    echoes: tuple[EchoForm, ...] = ()
    echo_exact: bool = True
    delivers_blocks: bool = False
    rate: float = 0.0

    def anchors(self, *, continued: bool) -> tuple[EchoForm, ...]:
        """Return the echoes with which a turn must begin.

        Return None where they are unknown or mean nothing.
        """
        return tuple(form for form in self.echoes if form.continued == continued) if self.echo_exact else ()

    def after(self, report: TurnReport, *, fresh: bool) -> Traits:
        """Return the traits after one more turn.

        `fresh`: it was the first one after a load. Text proves nothing, because a model can print it. Echo and kind of
        statistics are the console's own only where no earlier turn can still be running and the end was proven. A step
        is measured, so every answer counts for it, short ones together.
        """
        step, gaps = report.step_s, tuple[float, ...]()
        if step is None:
            gaps = (*self.few_gaps, *report.few_gaps)[:LEAST_STEPS]
            if len(gaps) == LEAST_STEPS:
                step, gaps = step_of(gaps), ()
        statistics, echoes = self.statistics, self.echoes
        if fresh and report.proven:
            statistics = report.statistics or statistics
            if report.echo is not None and report.echo not in echoes and len(echoes) < MOST_ECHOES:
                echoes = (*echoes, report.echo)
        return Traits(
            step_s=self._usual_step(step),
            few_gaps=gaps,
            statistics=statistics,
            echoes=echoes,
            echo_exact=self.echo_exact and not report.echo_differs,
            delivers_blocks=report.blocks,
            rate=max(self.rate, report.rate),
        )

    def _usual_step(self, step: float | None) -> float | None:
        """Return the usual step after one more of `step` seconds.

        A slower step counts at once, but at most double, because a user can make an answer seem slow; a faster one
        counts by half.
        """
        if step is None or self.step_s is None:
            return step if self.step_s is None else self.step_s
        return min(max(step, (step + self.step_s) / 2), 2 * self.step_s)


#: The traits of a console that has run no turn yet.
UNKNOWN_TRAITS = Traits()
