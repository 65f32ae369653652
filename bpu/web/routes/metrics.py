"""`GET /metrics` for Prometheus: request metrics of all workers, state of engine and board.

It reads memory and small files, never the engine itself, so that it answers while the engine does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from bpu import __version__
from bpu.web.context import app_context

metrics = Blueprint("metrics", __name__)

STATES = ("stopped", "starting", "checking", "ready", "busy", "stopping", "failed")


@metrics.get("/metrics")
def show() -> Response:
    """Show the metrics in Prometheus' text format."""
    ctx = app_context()
    registry = CollectorRegistry()
    registry.register(Snapshot([*engine_metrics(ctx.engine.status()), *board_metrics(ctx.read_sensors())]))
    body = generate_latest(ctx.request_metrics.registry()) + generate_latest(registry)
    return Response(body, content_type=CONTENT_TYPE_PLAIN_0_0_4)


class Snapshot(Collector):
    """A collector of metrics that have their values already.

    A worker makes one for each scrape, in the greenlet of the request.
    """

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics; Prometheus' library calls it at a scrape."""
        return self._families


def engine_metrics(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Yield the engine's state as the keeper last sent it to this worker."""
    info = GaugeMetricFamily("bpu_engine_info", "What answers; always 1.", labels=["version", "profile", "simulated"])
    info.add_metric([__version__, status["profile"], str(status["simulated"]).lower()], 1)
    yield info
    state = GaugeMetricFamily("bpu_engine_state", "1 for the state that the engine is in.", labels=["state"])
    for name in STATES:
        state.add_metric([name], float(name == status["state"]))
    yield state
    yield GaugeMetricFamily("bpu_queue_depth", "Jobs that wait.", status.get("queued", len(status["waiting"])))
    yield GaugeMetricFamily("bpu_jobs_running", "Jobs that have the console.", float(status["running"] is not None))
    yield GaugeMetricFamily("bpu_cache_tokens", "Tokens in the console's cache.", status["cache_tokens"])
    if status["load_s"] is not None:
        yield GaugeMetricFamily("bpu_engine_load_seconds", "How long the last load took.", status["load_s"])
    yield CounterMetricFamily("bpu_engine_loads", "Times the model was loaded.", status["loads"])
    restarts = CounterMetricFamily("bpu_engine_restarts", "Times the console had to be ended.", labels=["cause"])
    for cause, times in status["restarts"].items():
        restarts.add_metric([cause], times)
    yield restarts
    yield from _model_metrics(status)


def _model_metrics(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Yield the figures of each model that was used since the keeper started."""
    loaded = GaugeMetricFamily("bpu_model_loaded", "1 for the model in memory.", labels=["model"])
    seconds = GaugeMetricFamily("bpu_model_load_seconds", "How long its last load took.", labels=["model"])
    loads = CounterMetricFamily("bpu_model_loads", "Times it was loaded.", labels=["model"])
    ends = CounterMetricFamily("bpu_model_restarts", "Times its console was ended.", labels=["model", "cause"])
    for name, model in status.get("models", {}).items():
        loaded.add_metric([name], float(name == status["model"] and status["state"] in ("checking", "ready", "busy")))
        loads.add_metric([name], model["loads"])
        if model["load_s"] is not None:
            seconds.add_metric([name], model["load_s"])
        for cause, times in model["restarts"].items():
            ends.add_metric([name, cause], times)
    yield from (loaded, seconds, loads, ends)


def board_metrics(sensors: Mapping[str, Any]) -> Iterator[Metric]:
    """Yield the board's readings; those that a board does not have are left out."""
    total = GaugeMetricFamily("bpu_board_memory_bytes", "Size of a pool of memory.", labels=["pool"])
    used = GaugeMetricFamily("bpu_board_memory_used_bytes", "How much of a pool is in use.", labels=["pool"])
    for pool in sensors.get("memory", ()):
        total.add_metric([pool["name"]], pool["total"])
        if pool["used"] is not None:
            used.add_metric([pool["name"]], pool["used"])
    load = GaugeMetricFamily("bpu_board_bpu_load_ratio", "Load of a BPU core, 0 to 1.", labels=["core"])
    for core, percent in enumerate(sensors.get("bpu_percent", ())):
        load.add_metric([str(core)], percent / 100)
    heat = GaugeMetricFamily("bpu_board_temperature_celsius", "Temperature of a zone.", labels=["zone"])
    for zone in {zone["name"]: zone for zone in sensors.get("temperatures", ())}.values():
        heat.add_metric([zone["name"]], zone["celsius"])
    yield from (family for family in (total, used, load, heat) if family.samples)
