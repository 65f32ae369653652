"""The three kinds of statistics lines and their figures."""

from __future__ import annotations

import pytest

from bpu.console.events import Stats
from bpu.console.profiles import PROFILES
from bpu.console.scanner import INCOMPLETE, NO_MATCH
from bpu.console.stats import known_part, match_line, parse

KINDS = ("performance", "prefill", "decode", "other")
PERFORMANCE = b"Performance prefill: 1113.04tokens/s    decode: 20.22tokens/s\n"
PREFILL = b"===== prefill token num: 12 prefill cost: 30.500000 ms, prefill speed: 393.442623 tokens/s =====\n"
DECODE = b"===== decode token num: 40 cost per token: 58.125000 ms, decode speed: 17.204301 tokens/s =====\n"


@pytest.mark.parametrize(
    ("line", "kind"),
    [(PERFORMANCE, "performance"), (PREFILL, "prefill"), (DECODE, "decode"), (b"[Performance] x\n", "other")],
)
def test_a_line_is_known_by_its_shape_and_only_whole(line: bytes, kind: str) -> None:
    assert match_line(b"ab" + line + b"c", 2, KINDS) == (kind, 2 + len(line))
    assert {match_line(line[:end], 0, KINDS) for end in range(len(line))} == {("", INCOMPLETE)}


@pytest.mark.parametrize(
    "line",
    [b"Performance\n", b"=====\n", b"Performance prefill: fast\n", b" " + PERFORMANCE, PERFORMANCE[:-1] + b" x\n",
     b"===== prefill token num: many\n", b"text\n", b"[Performance" + b"x"],
)  # fmt: skip
def test_other_lines_are_not(line: bytes) -> None:
    assert match_line(line, 0, KINDS) == ("", NO_MATCH)


def test_a_line_of_a_kind_that_is_not_printed_is_text() -> None:
    assert match_line(b"[Performance] x\n", 0, ("performance",)) == ("", NO_MATCH)


@pytest.mark.parametrize(
    ("lines", "stats"),
    [
        ([PERFORMANCE], Stats(prefill_per_second=1113.04, decode_per_second=20.22)),
        ([PREFILL, DECODE], Stats(12, 30.5, 393.442623, 40, 58.125, 17.204301)),
        ([b"Performance prefill: nantokens/s    decode: inftokens/s\n"], Stats()),
        ([b"[Performance]\n"], Stats()),
        (
            [b"[Performance] prefill: 21 tokens, 31.5 ms, 666.6 tokens/s; decode: 5 tokens, 58 ms/token, 17.1 tok/s\n"],
            Stats(21, 31.5, 666.6, 5, None, 17.1),
        ),
        ([b"[Performance] Decode 7 t/s, per token 142 ms\n"], Stats(decode_per_second=7.0, decode_ms_per_token=142.0)),
        ([b"[Performance] prefill \xff 3 ms\n"], Stats(prefill_ms=3.0)),
    ],
)
def test_the_figures(lines: list[bytes], stats: Stats) -> None:
    assert parse(lines) == stats


@pytest.mark.parametrize("speeds", [("5626", "84.8"), ("0", "0.0"), ("12", "112.5")])
def test_the_line_of_the_s600_is_known_exactly(speeds: tuple[str, str]) -> None:
    """Verbatim from a log of its `llm`: two blanks between the parts."""
    line = "[Performance] prefill TPS: {} tokens/s  decode TPS: {} tokens/s\n".format(*speeds).encode()
    assert match_line(line, 0, PROFILES["llm"].statistics) == ("tps", len(line))
    assert match_line(line, 0, ("tps",)) == ("tps", len(line))
    assert parse([line]) == Stats(prefill_per_second=float(speeds[0]), decode_per_second=float(speeds[1]))
    assert match_line(b"[Performance] I am a model\n", 0, ("tps",)) == ("", NO_MATCH)


def test_free_words_of_a_line_are_no_part_of_its_known_form() -> None:
    bare = b"[Performance] prefill TPS: 5626 tokens/s  decode TPS: 84.8 tokens/s\n"
    figures = b"[Performance] prefill 5626 tokens/s decode 84.8 tokens/s \n"
    assert known_part([bare.replace(b"\n", " không".encode() * 120 + b"\n")]) == figures
    assert known_part([bare]) == bare
    assert known_part([b"[Performance]" + b" decode 1 tokens/s" * 40 + b"\n"]) == b"[Performance] decode 1 tokens/s \n"
    assert known_part([PREFILL, DECODE]) == PREFILL + DECODE
