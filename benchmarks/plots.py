"""Draws one run: first token, latency, first token over turns, idle BPU, memory. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.messages import say
from bpu.bench.figures import Series
from bpu.errors import EngineUnavailable

COLOURS = {"relay": "#7a8793", "gateway": "#b4551d", "process per request": "#1f7a54"}


def draw(series: Series, path: Path) -> None:
    """Draw the series that have a panel into `path`, in the format of its suffix.

    Equal series make equal files. Raises what `pyplot` raises.
    """
    plotter = pyplot()
    panels = [panel for beginning, panel in PANELS.items() if any(name.startswith(beginning) for name in series)]
    across = min(2, len(panels)) or 1
    down = -(-len(panels) // across) or 1
    size = (5.5 * across, 3.6 * down)
    with plotter.rc_context({"svg.hashsalt": "bpu", "svg.fonttype": "none"}):
        figure, axes = plotter.subplots(down, across, figsize=size, squeeze=False, layout="constrained")
        for panel, place in zip(panels, axes.flat, strict=False):
            panel(place, series)
        for place in axes.flat[len(panels) :]:
            place.set_axis_off()
        figure.savefig(path, dpi=100, metadata={"Date": None} if path.suffix == ".svg" else None)
        plotter.close(figure)


def pyplot() -> Any:
    """Import matplotlib's `pyplot`. Raises `EngineUnavailable` without matplotlib."""
    try:
        matplotlib = import_module("matplotlib")
        matplotlib.use("Agg")
        return import_module("matplotlib.pyplot")
    except ImportError:
        raise EngineUnavailable(say("no_matplotlib")) from None


def _latency(axes: Any, series: Series) -> None:
    for side, colour in COLOURS.items():
        _shares(axes, series.get(f"latency, {side}, ms", []), side, colour)
    axes.set_xscale("log")
    _label(axes, "Latency of a token at 50 tokens/s", "console's write to client's read, ms", "share of tokens")


def _first_token(axes: Any, series: Series) -> None:
    for side, colour in COLOURS.items():
        _shares(axes, series.get(f"first token, {side}, ms", []), side, colour)
    _label(axes, "First token, warm", "request to first text, ms", "share of questions")


def _hand_over(axes: Any, series: Series) -> None:
    for workers, colour in ((1, COLOURS["gateway"]), (4, COLOURS["process per request"])):
        name = f"{workers} worker{'s' if workers > 1 else ''}"
        _shares(axes, series.get(f"idle between jobs, {workers} workers, ms", []), name, colour)
    _label(axes, "Idle BPU between jobs, clients queued", "prompt to next line, ms", "share of hand-overs")


def _shares(axes: Any, values: Sequence[float], name: str, colour: str) -> None:
    """Draw the cumulative distribution of `values` without its slowest hundredth."""
    ordered = sorted(values)
    shown = ordered[: max(1, len(ordered) * 99 // 100)]
    if shown:
        axes.plot(shown, [(index + 1) / len(ordered) for index in range(len(shown))], label=name, color=colour)


def _turns(axes: Any, series: Series) -> None:
    for way, colour in (("continued", COLOURS["gateway"]), ("sent again", COLOURS["relay"])):
        times = series.get(f"first token by turn, {way}, ms", [])
        axes.plot(range(1, len(times) + 1), times, marker=".", label=way, color=colour)
    axes.set_yscale("log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    _label(axes, "First token over the turns of one chat", "turn", "ms")


def _memory(axes: Any, series: Series) -> None:
    for name, colour in (("worker", COLOURS["gateway"]), ("keeper", COLOURS["relay"])):
        axes.plot(series["jobs"], series[f"memory by job, {name}, MB"], label=name, color=colour)
    axes.set_ylim(bottom=0)
    _label(axes, "Memory of its own over jobs", "jobs", "MB")


def _health(axes: Any, series: Series) -> None:
    _shares(axes, series["health while clients wait, ms"], "/health", COLOURS["gateway"])
    _label(axes, "/health while clients wait", "ms", "share of requests")


def _label(axes: Any, title: str, across: str, up: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()


#: The panel of the series whose names begin so.
PANELS: Mapping[str, Callable[[Any, Series], None]] = {
    "first token, ": _first_token,
    "latency, ": _latency,
    "first token by turn, ": _turns,
    "idle between jobs, ": _hand_over,
    "memory by job, ": _memory,
    "health ": _health,
}
