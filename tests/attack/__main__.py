"""`python -m tests.attack`: attackers against clients on the real gunicorn; exits with 1 when a bound is broken.

Attackers make the model say the console's own marks, so that their answer seems to end, and clients before, between and
behind them must get exactly their own answers. One row is one console under one kind of attack.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from itertools import product
from multiprocessing import get_context
from pathlib import Path

from bpu.console.profiles import PROFILES as CONSOLES
from tests.attack.cells import Result, try_cell
from tests.attack.kinds import KINDS, Cell
from tests.witness.program import compile_console

PROFILES = ("xlm_demo", "oellm_run", "oellm_multichat", "hobot_xlm", "vlm", "llm")
RATES = (3.7, 17.0, 50.0, 112.0)
#: What every console is tried with; the rest only on the mission's own.
CORE = ("forged-middle", "prompt-middle", "fence", "two-ends", "silent-50", "chain", "talk")
COLUMNS = (
    *("attack", "console", "tok/s", "jobs", "foreign", "lost", "failed", "attackers cut / failed", "loads"),
    *("rejoins", "early", "hand-over ms", "open", "s", "broken"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    folder = Path(tempfile.mkdtemp(prefix="bpu-attack-"))
    began = time.monotonic()
    compiled = compile_console(folder)
    results: list[Result] = []
    if not options.json:
        print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|", flush=True)
    cells = list(_cells(options))[options.skip :]
    until = began + options.minutes * 60
    with ProcessPoolExecutor(options.at_once, mp_context=get_context("spawn")) as pool:
        tries = [
            pool.submit(try_cell, cell, compiled, folder / f"cell{number}", options.cell_seconds, until)
            for number, cell in enumerate(cells)
        ]
        for tried in as_completed(tries):
            if (result := tried.result()) is not None:
                results.append(result)
                if not options.json:
                    print(row(result), flush=True)
    if len(results) < len(cells):
        print(f"The time is over: {len(results)} of {len(cells)} cells were run.", file=sys.stderr)
    if options.json:
        print(json.dumps([asdict(result) for result in results], ensure_ascii=False, indent=1))
    elif options.examples:
        print("\n" + "\n".join(f"{r.kind}, {r.console}: {words}" for r in results for words in r.examples))
    broken = sum(bool(result.broken) for result in results)
    print(f"\n{len(results)} cells, {sum(r.jobs for r in results)} jobs, {broken} cells broken.", file=sys.stderr)
    if options.keep:
        print(f"Logs are kept in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if broken or len(results) < len(cells) else 0


def row(result: Result) -> str:
    failed = ", ".join(f"{count} {code}" for code, count in result.failed.items()) or "0"
    handover = "-" if result.handover_ms is None else f"{result.handover_ms:g}"
    cells = (
        *(result.kind, result.console, f"{result.rate:g}", result.jobs, result.foreign, result.lost, failed),
        f"{result.attackers_cut} / {result.attackers_failed} of {result.attackers}",
        *(result.loads, result.rejoins, result.early, handover, result.leaks, f"{result.seconds:g}"),
        "; ".join(result.broken) or "no",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def _cells(options: argparse.Namespace) -> Iterator[Cell]:
    if options.matrix:
        yield from _matrix(options)
        return
    for profile, rate, kind in product(options.profile or PROFILES[:1], options.rate or (17.0,), options.kind or KINDS):
        if KINDS[kind].only in ("", profile):
            yield _cell(options, kind, profile=profile, rate=rate)


def _matrix(options: argparse.Namespace) -> Iterator[Cell]:
    """All kinds on the mission's console; the core ones on every console, with each property the other way round."""
    for profile in options.profile or PROFILES:
        kinds = tuple(KINDS) if profile == "xlm_demo" else CORE
        rates = options.rate or RATES
        for kind in options.kind or kinds:
            if not KINDS[kind].only:
                yield _cell(options, kind, profile=profile, rate=17.0)
        yield from (_cell(options, kind, profile=profile, rate=rate) for rate in rates for kind in CORE if rate != 17.0)
        for variant in ({"echo": "no"}, {"echo": "yes"}, {"stats": "none"}, {"ahead": "no"}, {"ahead": "yes"}):
            yield from (_cell(options, kind, profile=profile, rate=17.0, **variant) for kind in CORE)
        # What is publicly known of a `reset` is taken as true: one that is broken in spite of it is not detected.
        is_known = (known := CONSOLES[profile].public_knowledge) is not None and known.reset_works
        broken = CORE if is_known else (*CORE, "held")
        yield from (_cell(options, kind, profile=profile, rate=17.0, reset="broken") for kind in broken)
    yield from (_cell(options, kind, profile=KINDS[kind].only, rate=50.0) for kind in KINDS if KINDS[kind].only)


def _cell(options: argparse.Namespace, kind: str, *, profile: str, rate: float, **chosen: str) -> Cell:
    given = {"echo": options.echo, "stats": options.stats, "ahead": options.read_ahead, "reset": options.reset}
    fixed = {"jobs": options.jobs, "seed": options.seed, "workers": options.workers, "settle": options.settle}
    return Cell(kind, profile, rate, **{**given, **chosen}, **fixed)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--profile", action="append", choices=PROFILES, help="again for more than one")
    parser.add_argument("--rate", action="append", type=float, help="tokens a second; again for more than one")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="again for more than one; else all")
    parser.add_argument("--matrix", action="store_true", help="every console, with each property the other way round")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=24, help="of each cell")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--echo", default="", choices=["yes", "line", "no"])
    parser.add_argument("--stats", default="", choices=["line", "colour", "tps", "none"])
    parser.add_argument("--read-ahead", default="", choices=["yes", "no"])
    parser.add_argument("--reset", default="", choices=["works", "broken"])
    parser.add_argument("--no-settle", dest="settle", action="store_false", help="do not wait for an examination")
    parser.add_argument("--cell-seconds", type=float, default=240, help="after these no further job of a cell is sent")
    parser.add_argument("--minutes", type=float, default=120, help="after these no further cell is begun")
    parser.add_argument("--skip", type=int, default=0, help="cells that an earlier run has tried")
    parser.add_argument("--at-once", type=int, default=1, help="cells at the same time; slow consoles mostly wait")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--examples", action="store_true", help="what was seen, below the table")
    parser.add_argument("--keep", action="store_true", help="keep the logs of gateway and console")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
