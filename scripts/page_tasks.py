"""Measures the page's longest tasks while long answers stream in, by Chromium's trace: `python scripts/page_tasks.py`.

An answer has 3,000 tokens and comes at 17, 112 and 1,000 tokens a second; no board and no simulator is as fast as the
last, so the page's own request gets a stream that is made in the page. A task is long above 50 ms of the main thread:
the processor's time decides, because other programs on the machine add to the time by the clock. Exit status 1 then.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.screenshots import browser  # noqa: E402
from tests.browser.person import Visitor  # noqa: E402
from tests.browser.stand_in import STREAM, TOKENS  # noqa: E402
from tests.live.gateway import running  # noqa: E402

RATES = (17, 112, 1000)
LIMIT_MS = 50.0
MARK = "the page that is measured"
TRACED = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"]
_SUM = r"$\frac{a_%d}{b_{%d}} + \sum_{i=1}^{%d} x_i^2 = \sqrt{%d}$"


def _sums(count: int, line: str) -> str:
    """Lines with a formula each; `line` has `{n}` and `{formula}`."""
    return "".join(line.format(n=n, formula=_SUM % (n, n, n, n)) for n in range(count))


def _aligned(count: int) -> str:
    rows = [rf"f_{{{k}}}(x) &= \frac{{{k}}}{{x}} + \int_0^{{{k}}} t^{k} \, dt" for k in range(12)]
    return (r"\[\begin{aligned}" + "\\\\\n".join(rows) + "\\end{aligned}\\]\n\n") * count


#: What an R1 model writes, and answers of one kind that are as long.
ANSWERS = {
    "mixed": (ROOT / "tests/browser/fixtures/r1_answers.md").read_text(encoding="utf-8"),
    "table": "| n | formula | words |\n|---|---|---|\n" + _sums(110, "| {n} | {formula} | **words** and `code` |\n"),
    "code": "```python\n" + _sums(140, "def value_{n}(x):\n    return compute({n}, 'text') + x  # {n}\n") + "```",
    "paragraph": _sums(110, "For n = {n} it is {formula}, and **so** on. "),
    "nested": _sums(80, "- item {n}\n  - inner with **bold**\n    - deep `code` {formula}\n"),
    "quote": _sums(110, "> line {n} with {formula} and **bold** words\n"),
    "aligned": _aligned(14),
    "item": "1. first item\n\n" + _sums(110, "   paragraph {n} in the item, {formula}\n\n"),
}


class Trace:
    """Chromium's trace of what a page's processes do between `start` and `stop`."""

    def __init__(self, chromium: Any) -> None:
        self._events: list[dict[str, Any]] = []
        self._complete: list[bool] = []
        self._session = chromium.new_browser_cdp_session()
        self._session.on("Tracing.dataCollected", lambda event: self._events.extend(event["value"]))
        self._session.on("Tracing.tracingComplete", lambda event: self._complete.append(True))

    def start(self) -> None:
        config = {"includedCategories": TRACED, "recordMode": "recordContinuously"}
        self._session.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": config})

    def stop(self, page: Any) -> list[dict[str, Any]]:
        self._session.send("Tracing.end")
        while not self._complete:
            page.wait_for_timeout(50)
        return self._events


@dataclass(frozen=True)
class Task:
    """A task of a page's main thread.

    `used` is its processor time and `taken` its time by the clock, both in ms; `parts` is what took most of it.
    """

    used: float
    taken: float
    parts: tuple[str, ...]


def tasks(events: list[dict[str, Any]]) -> list[Task]:
    """List the tasks of the page's main thread, with parts of those near the limit.

    The thread is the one of the mark: Chromium's own pages (`chrome://`) have renderers beside it.
    """
    mark = next(one for one in events if one["name"] == "TimeStamp" and one["args"]["data"]["message"] == MARK)
    thread = (mark["pid"], mark["tid"])
    spans = [one for one in events if one.get("ph") == "X" and (one["pid"], one["tid"]) == thread]
    found = []
    for task in (one for one in spans if one["name"].endswith("RunTask")):
        used = task.get("tdur", 0) / 1000
        found.append(Task(used, task["dur"] / 1000, _parts(task, spans) if used > LIMIT_MS / 2 else ()))
    return found


def _parts(task: dict[str, Any], spans: list[dict[str, Any]]) -> tuple[str, ...]:
    """Name the three events inside `task` that took most, with their parts."""
    inside: Counter[str] = Counter()
    for one in spans:
        is_inside = task["ts"] <= one["ts"] and one["ts"] + one["dur"] <= task["ts"] + task["dur"]
        if (
            is_inside
            and one["tid"] == task["tid"]
            and one["pid"] == task["pid"]
            and not one["name"].endswith("RunTask")
        ):
            inside[one["name"]] += one.get("tdur", 0)
    return tuple(f"{name} {used / 1000:.0f}" for name, used in inside.most_common(3))


def measure(chromium: Any, url: str, text: str, rate: int) -> list[Task]:
    """The tasks while `text` comes as an answer, in a window of its own."""
    person = Visitor.open_window(chromium, url).open()
    person.page.set_default_timeout(TOKENS / rate * 4000 + 60_000)
    person.wait_ready()
    person.page.evaluate(STREAM, [text, rate])
    trace = Trace(chromium)
    trace.start()
    person.page.evaluate("(mark) => console.timeStamp(mark)", MARK)
    person.send("Write a long answer.")
    person.page.locator(".message.answer").wait_for()
    person.find("send").wait_for(state="visible")
    person.page.locator("#messages:not(:has([aria-busy]))").wait_for(state="attached")
    person.page.wait_for_timeout(1000)
    found = tasks(trace.stop(person.page))
    person.context.close()
    person.check()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, action="append", help="tokens a second; by default 17, 112 and 1,000")
    parser.add_argument("answers", nargs="*", help=f"only these of {', '.join(ANSWERS)}")
    arguments = parser.parse_args()
    names, rates = arguments.answers or list(ANSWERS), arguments.rate or RATES
    longest = 0.0
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), workers=2) as gateway, browser() as chromium:
        for rate in rates:
            # At the slow rates, which take minutes, less comes in a frame: one answer shows it.
            for name in names if rate == max(rates) or arguments.answers else names[:1]:
                found = measure(chromium, gateway.url, ANSWERS[name], rate)
                worst = max(found, key=lambda task: task.used)
                longest = max(longest, worst.used)
                over, used = sum(task.used > LIMIT_MS for task in found), sum(task.used for task in found)
                print(
                    f"{name} at {rate} tokens/s: longest task {worst.used:.1f} ms of processor time"
                    f" ({worst.taken:.1f} ms by the clock; {', '.join(worst.parts)}), {over} of {len(found)} over"
                    f" {LIMIT_MS:.0f} ms, {used:.0f} ms in all",
                    flush=True,
                )
    sys.exit(longest > LIMIT_MS)


if __name__ == "__main__":
    main()
