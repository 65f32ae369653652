"""`doctor --probe`: runs turns on a console of its own and records what they show."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from bpu.board.checks.finding import Finding, Level, failure, finding, note, success, warning
from bpu.cli._errors import localized_message
from bpu.cli._terminal import Notice, gauge
from bpu.console.line_encoding import encode_line
from bpu.engine.client.launch_config import build_launch_spec, line_limit
from bpu.engine.client.probe import OutOfTurn, Probe, ProbeRefused, Silent
from bpu.engine.console_examination import ConsoleExamination, Findings, Step
from bpu.engine.console_record import ConsoleRecord
from bpu.engine.launch_spec import LaunchSpec
from bpu.errors import BpuError
from bpu.messages import translate
from bpu.settings import Settings

HELLO = b"Say hello in one short sentence."
#: Lengths of lines that are tried, in bytes; 10238 is the longest line of one known console.
LENGTHS = (1000, 4000, 8000, 10238, 10300, 12000, 16000, 24000)
#: Bytes of English text that are counted as one token; real texts have more.
BYTES_A_TOKEN = 3
TURN_LIMIT_S = 300.0
_AFTER_A_LINE_S = 2.0


def probe_findings(settings: Settings, *, quiet: bool = False) -> Iterator[Finding]:
    """Load, ask, reset and measure.

    Yield each finding at once and write all to the data folder.
    """
    try:
        launch = build_launch_spec(settings)
        with Notice() as notice:
            progress = Progress(notice, steps=3 + len(_lengths(launch)), quiet=quiet)
            progress.begin(translate("doctor.probing_load"))
            with Probe(launch, waiting=progress.show) as probe:
                for one in ProbeRun(launch, probe, settings, announce=progress.begin).findings():
                    notice.clear()
                    yield one
    except ProbeRefused as error:
        yield warning("probe", "probe_refused", "unload_first", holder=error.holder)
    except (BpuError, OSError) as error:
        reason = localized_message(error) if isinstance(error, BpuError) else error
        yield failure("probe", "probe_failed", "probe_log", reason=reason)


class Progress:
    """Shows a bar over a probe's steps, with the current step and the time."""

    def __init__(
        self, notice: Notice, *, steps: int, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._notice, self._steps, self._quiet, self._clock = notice, steps, quiet, clock
        self._since, self._begun, self._words = clock(), 0, ""

    def begin(self, words: str) -> None:
        self._begun, self._words = self._begun + 1, words
        self.show()

    def show(self) -> None:
        if not self._quiet:
            share = min(1.0, (self._begun - 1) / self._steps)
            self._notice.show(f"{gauge(share, self._clock() - self._since)}  {self._words}")


class ProbeRun:
    """The turns of one probe; runs in the command `doctor`, main thread."""

    def __init__(
        self, launch: LaunchSpec, probe: Probe, settings: Settings, *, announce: Callable[[str], None]
    ) -> None:
        self._launch, self._probe, self._settings, self._announce = launch, probe, settings, announce
        self._record = ConsoleRecord(launch)
        self._record.identify(probe.pid)
        # A probe that ends early leaves the facts of the last one.
        self._facts: dict[str, Any] = dict(self._record.probe)
        self._resets = False

    def findings(self) -> Iterator[Finding]:
        try:
            yield from self._measure_speed()
            yield from self._test_reset()
            yield from self._find_longest_line()
        finally:
            self._record.save_probe(self._facts)

    def _ask(self, line: bytes, **options: Any) -> Any:
        silence = self._launch.first_token_timeout_s or TURN_LIMIT_S
        return self._probe.ask(line, silence_s=silence, limit_s=TURN_LIMIT_S, **options)

    def _measure_speed(self) -> Iterator[Finding]:
        self._facts["load_s"] = round(self._probe.load_s, 2)
        yield success("probe", "probe_load", seconds=f"{self._probe.load_s:.1f}")
        self._announce(translate("doctor.probing_speed"))
        turn = self._ask(HELLO)
        rate = turn.decode_rate
        self._facts.update(first_s=round(turn.first_s or turn.total_s, 3), tokens_per_second=rate and round(rate, 2))
        shown = "?" if rate is None else f"{rate:.1f}"
        yield success("probe", "probe_speed", first=f"{turn.first_s or turn.total_s:.2f}", rate=shown)
        if turn.pieces <= 1 and len(turn.text) > 40 and turn.total_s > 1:
            yield warning("probe", "probe_blocks", "watch_stream")

    def _test_reset(self) -> Iterator[Finding]:
        """Examine a new console process, and record what it retains and whether `reset` works."""
        if self._probe.profile.reset is None:
            yield note("probe", "probe_no_reset")
            return
        self._announce(translate("doctor.probing_reset"))
        self._probe.restart()
        found_now = self._examine()
        self._record.save(found_now)
        proved = self._record.findings
        self._resets = proved.reset_works is True and found_now.reset_works is True
        if not self._resets:
            # The content of the KV cache is unknown, and a full one would end the console.
            self._probe.restart()
        self._facts.update(keeps_history=proved.retains_history, reset_forgets=proved.reset_works)
        if proved.reset_works is None and self._launch.reset != "auto":
            yield note("probe", "probe_reset_settings", setting=self._launch.reset)
            return
        key = {True: "probe_resets", False: "probe_reset_broken", None: "probe_reset_unknown"}[proved.reset_works]
        yield finding("probe", Level.FINE if proved.reset_works else Level.WARNING, key)

    def _examine(self) -> Findings:
        examination = ConsoleExamination(context=self._launch.context)
        while (step := examination.step) is not Step.OVER:
            if step is Step.RESET:
                self._probe.reset()
                examination.on_reset()
            else:
                examination.on_answer(self._ask(examination.line() or b" ").text)
        return examination.findings

    def _find_longest_line(self) -> Iterator[Finding]:
        longest = 0
        split = 0
        for size in _lengths(self._launch):
            self._announce(translate("doctor.probing_line", size=size))
            try:
                # A long line on top of a long conversation would be a test of the context, not of the line.
                if longest:
                    self._clear_history()
                whole = self._is_taken_whole(size)
            except Silent:
                break
            if not whole:
                split = size
                break
            longest = size
        self._facts.update(longest_line=longest, split_at=split or None)
        self._record.save_probe(self._facts)
        limit = line_limit(self._settings, self._launch)
        if split and not 0 < limit < split:
            yield warning("probe", "probe_line_short", "set_line_limit", longest=longest, split=split)
        elif split:
            yield success("probe", "probe_line_kept", longest=longest, split=split)
        elif longest:
            yield success("probe", "probe_line", longest=longest)

    def _clear_history(self) -> None:
        if self._resets:
            self._probe.reset()
        else:
            self._probe.restart()

    def _is_taken_whole(self, size: int) -> bool:
        try:
            self._ask(_long_question(size, self._probe))
            return not self._probe.has_unsolicited_output(_AFTER_A_LINE_S)
        except OutOfTurn:
            return False


def _lengths(launch: LaunchSpec) -> list[int]:
    """Return the lengths of lines that certainly fit the context."""
    return [size for size in LENGTHS if size <= launch.context * BYTES_A_TOKEN]


def _long_question(size: int, probe: Probe) -> bytes:
    """Make a line of exactly `size` bytes that asks for a short answer."""
    words = "Answer only OK. The rest is filling: " + "word " * (size // 5)
    return encode_line(words[:size].rstrip().ljust(size, "."), profile=probe.profile, limit=0)
