"""Saved logs: the fault is named from real lines."""

from __future__ import annotations

import pytest

from bpu.board.checks.finding import Level
from bpu.board.checks.logs import check_log
from bpu.console import diagnosis
from bpu.messages import has

START = "[UCP]: log level = 3\n[BPU][[BPU_MONITOR]][281473285378048][INFO]BPULib verison(2, 1, 2)[0d3f195]!\n"
CASES = [
    ("[E][1][DNN] [HBRT] 4.2.7: Cannot malloc bpu memory with length 1 bytes\nxlm init failed", "no_bpu_memory"),
    ("mKrun error", "no_bpu_memory"),
    ("Error: unknown argument: --hbm\n", "bad_option"),
    ("./bin/xlm_demo: unknown option --x\n", "bad_option"),
    ("error while loading shared libraries: libdnn.so: cannot open shared object file", "missing_library"),
    ("Error: --model_type is invalid. Must be 0 (INTERNVL) or 1 (DEEPSEEK)", "model_type"),
    ("corrupted size vs. prev_size\nAborted (core dumped)", "overflow"),
    ("Allocate memory failed, size: 786432 backend: 9\nSegmentation fault", "memory_ran_out"),
    ("terminate called after throwing an instance of 'std::bad_alloc'\nAborted (core dumped)", "no_main_memory"),
    ("error while loading shared libraries: libdnn.so: failed to map segment from shared object", "no_main_memory"),
    ("open /root/x.jinja failed", "template_unreadable"),
    ("[User] <<< hello\nSegmentation fault (core dumped)", "crashed"),
    ("Killed", "killed"),
    ("\x1b[m\x1b[Krun error\n", "no_bpu_memory"),
    ("\x1b[31mrun error\x1b[0m\n", "run_error"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "cause"), CASES, ids=[case[1] + str(i) for i, case in enumerate(CASES)])
def test_the_fault_of_a_log_is_named_with_the_line_that_shows_it(text: str, cause: str) -> None:
    first = check_log(START + text)[0]
    assert (first.level, first.facts["cause"]) == (Level.BROKEN, cause)
    assert first.facts["line"]
    assert first.facts["line"] in first.remedy


def test_other_faults_of_the_log_are_noted() -> None:
    found = check_log("HBRT4_STATUS_BAD_DATA\nCannot malloc bpu memory with length 1 bytes\n")
    assert [(one.level, one.facts["cause"]) for one in found] == [
        (Level.BROKEN, "no_bpu_memory"),
        (Level.NOTE, "bad_model"),
    ]


@pytest.mark.parametrize("text", ["", START, START + "[User] <<< hello\n[Assistant] >>> hi\n[User] <<< "])
def test_a_clean_log_says_so(text: str) -> None:
    assert [one.level for one in check_log(text)] == [Level.NOTE]


def test_every_cause_that_a_log_can_show_has_its_words_in_both_languages() -> None:
    causes = {rule.cause for rule in diagnosis._RULES} - {"exited"} | {"crashed"}
    assert [cause for cause in sorted(causes) if not has(f"faults.{cause}")] == []
