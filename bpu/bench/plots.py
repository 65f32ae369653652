"""Four pictures of one run: latency, first token over turns, memory over jobs, hand-over. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from bpu.bench.figures import Series
from bpu.errors import EngineUnavailable
from bpu.messages import say

COLOURS = {"relay": "#7a8793", "gateway": "#b4551d", "article": "#1f7a54"}


def draw(series: Series, path: Path) -> None:
    """Write them to `path`, in the format that its ending names. Raises `EngineUnavailable` without matplotlib."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(2, 2, figsize=(11, 7.5), constrained_layout=True)
    _latency(axes[0][0], series)
    _turns(axes[0][1], series)
    _memory(axes[1][0], series)
    _hand_over(axes[1][1], series)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _pyplot() -> Any:
    try:
        matplotlib = import_module("matplotlib")
        matplotlib.use("Agg")
        return import_module("matplotlib.pyplot")
    except ImportError:
        raise EngineUnavailable(say("bench.no_matplotlib")) from None


def _latency(axes: Any, series: Series) -> None:
    for side, colour in COLOURS.items():
        _shares(axes, series.get(f"latency, {side}, ms", []), side, colour)
    _label(axes, "Latency of a token at 50 tokens/s", "console's write to client's read, ms", "share of tokens")


def _hand_over(axes: Any, series: Series) -> None:
    for workers, colour in ((1, COLOURS["gateway"]), (4, COLOURS["article"])):
        name = f"{workers} worker{'s' if workers > 1 else ''}"
        _shares(axes, series.get(f"idle between jobs, {workers} workers, ms", []), name, colour)
    _label(axes, "Idle BPU between jobs, clients queued", "prompt to next line, ms", "share of hand-overs")


def _shares(axes: Any, values: Sequence[float], name: str, colour: str) -> None:
    """Which share of `values` is at most so large; the slowest hundredth is left out of the picture."""
    ordered = sorted(values)
    shown = ordered[: max(1, len(ordered) * 99 // 100)]
    if shown:
        axes.plot(shown, [(place + 1) / len(ordered) for place in range(len(shown))], label=name, color=colour)


def _turns(axes: Any, series: Series) -> None:
    for way, colour in (("continued", COLOURS["gateway"]), ("sent again", COLOURS["relay"])):
        times = series.get(f"first token by turn, {way}, ms", [])
        axes.plot(range(1, len(times) + 1), times, marker=".", label=way, color=colour)
    axes.set_yscale("log")
    _label(axes, "First token over the turns of one chat", "turn", "ms")


def _memory(axes: Any, series: Series) -> None:
    axes.plot(series.get("jobs", []), series.get("memory by job, MB", []), label="worker", color=COLOURS["gateway"])
    axes.set_ylim(bottom=0)
    _label(axes, "A worker's own memory over jobs", "jobs", "MB")


def _label(axes: Any, title: str, across: str, up: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
