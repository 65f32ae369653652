"""Orders a load, unload or examination from an engine, and waits until it is done.

Runs in the CLI.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import click

from bpu.cli import _keeper
from bpu.cli._endpoint import first_key
from bpu.cli._remote import RemoteGateway, is_twin
from bpu.cli._terminal import USUAL_LOAD_S, Notice, bar, show_examination
from bpu.engine.client.launch_config import chosen_table, resolve_engine
from bpu.errors import EngineTimeout, EngineUnavailable, ModelNotFound
from bpu.messages import translate
from bpu.settings import SYSTEM_STATE, Settings, load_settings, state_dir

POLL_S = 0.1
#: An order takes effect at once, but a worker of a gateway shows it a moment later.
SETTLE_S = 1.0
Status = dict[str, Any]


class EngineControl(Protocol):
    """An engine that takes orders and reports its status."""

    def order(self, op: str, model: str = "") -> None: ...

    def status(self) -> Status: ...


class LocalEngine:
    """The engine of this board's keeper. Raises `EngineUnavailable` if no keeper runs."""

    def __init__(self, settings: Settings) -> None:
        self._folder = state_dir(settings)

    def order(self, op: str, model: str = "") -> None:
        if not _keeper.order(self._folder, op, model):
            raise self._not_running()

    def status(self) -> Status:
        found = _keeper.status(self._folder)
        if found is None:
            raise self._not_running()
        return found

    def _not_running(self) -> EngineUnavailable:
        if SYSTEM_STATE.is_dir() and not os.access(SYSTEM_STATE, os.W_OK | os.X_OK):
            return EngineUnavailable(translate("load.needs_root", folder=SYSTEM_STATE))
        return EngineUnavailable(translate("load.no_gateway", folder=self._folder))


class RemoteEngine:
    """The engine of the gateway at an address."""

    def __init__(self, url: str, key: str) -> None:
        self._remote = RemoteGateway(url, key)

    def order(self, op: str, model: str = "") -> None:
        self._remote.json("POST", f"/v1/engine/{op}", {"model": model} if model else None)

    def status(self) -> Status:
        return self._remote.status()


def engine_control(url: str | None, key: str | None) -> EngineControl:
    """Return the engine at `url`, or of this board's keeper without a URL."""
    settings = load_settings()
    return LocalEngine(settings) if url is None else RemoteEngine(url, key or first_key(settings))


Clock = Callable[[], float]
Sleep = Callable[[float], None]


def poll_status(
    engine: EngineControl, slow: str, limit_s: float, clock: Clock, sleep: Sleep
) -> Iterator[tuple[Status, float]]:
    """Yield the engine's status and the seconds so far every `POLL_S`. Raises `EngineTimeout` after `limit_s`.

    `slow` is the key of the message that the time-out carries.
    """
    began = clock()
    while clock() - began < limit_s:
        yield engine.status(), clock() - began
        sleep(POLL_S)
    raise EngineTimeout(translate(slow, seconds=f"{limit_s:g}"))


def model_id(name: str, url: str | None, key: str | None) -> str:
    """Return the id of the model with that id or alias.

    It is looked for on this board, or at `url`. Raises `ModelNotFound`.
    """
    settings = load_settings()
    if url is None:
        names = {model.id: model.names for model in chosen_table(resolve_engine(settings)).models}
    else:
        entries = {one["id"]: one for one in RemoteGateway(url, key or first_key(settings)).models()}
        # The engine knows no twins, so a load of one would be waited for in vain.
        names = {name: (name, *one.get("aliases", ())) for name, one in entries.items() if not is_twin(name, entries)}
    found = next((one for one, known in names.items() if name in known), None)
    if found is None:
        raise ModelNotFound(translate("load.no_model", model=name, models=", ".join(names)))
    return found


def load_and_wait(
    engine: EngineControl, *, model: str = "", limit_s: float, clock: Clock = time.monotonic, sleep: Sleep = time.sleep
) -> Status:
    """Order a load and wait for its end, with a bar.

    `model` is an id, by default that of the last load. Raises `EngineUnavailable` if it failed, and `EngineTimeout`.
    """
    before = engine.status()
    if model:
        engine.order("load", model)
    else:
        engine.order("load")
    with Notice() as notice:
        for status, age in poll_status(engine, "load.slow", limit_s, clock, sleep):
            if status["state"] in ("ready", "busy") and (not model or status["model"] == model):
                return status
            if model and (error := status["models"].get(model, {}).get("error")) and age > SETTLE_S:
                raise EngineUnavailable(error)
            if status["state"] == "failed" and (status["since_s"] < age or age > SETTLE_S):
                raise EngineUnavailable(status["error"] or translate("load.failed"))
            if not show_examination(notice, status):
                notice.show(f"{translate('load.loading')} {bar(age, before.get('load_s') or USUAL_LOAD_S)}")
    raise AssertionError("a load has no end without a result")


def examine(
    engine: EngineControl, *, limit_s: float, clock: Clock = time.monotonic, sleep: Sleep = time.sleep
) -> Status:
    """Order an examination and wait for its end.

    Raises `EngineUnavailable` if it was aborted, and `EngineTimeout`.
    """
    before = engine.status()
    engine.order("examine")
    has_begun = False
    with Notice() as notice:
        for status, age in poll_status(engine, "examine.slow", limit_s, clock, sleep):
            if status["examined"] > before["examined"]:
                return status
            if has_begun and status["state"] != "checking":
                raise EngineUnavailable(translate("examine.cut"))
            if status["state"] == "failed" and status["since_s"] < age:
                raise EngineUnavailable(status["error"] or translate("load.failed"))
            has_begun = status["state"] == "checking"
            if not show_examination(notice, status):
                notice.show(translate("examine.waiting"))
    raise AssertionError("an examination has no end without a result")


def unload_and_wait(
    engine: EngineControl, *, limit_s: float, clock: Clock = time.monotonic, sleep: Sleep = time.sleep
) -> None:
    """Order an unload and wait until jobs and console have ended. Raises `EngineTimeout`."""
    engine.order("unload")
    with Notice() as notice:
        for status, _ in poll_status(engine, "unload.slow", limit_s, clock, sleep):
            if status["state"] in ("stopped", "failed"):
                return
            jobs = (status["running"] is not None and status["running"] is not False) or status["queued"]
            notice.show(translate("unload.jobs") if jobs else translate("unload.ending"))


def target_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options `--url`, `--key` and `--timeout` to a command."""
    timeout = click.option(
        "--timeout", type=click.FloatRange(min=1), default=300, metavar="SECONDS", show_default=True,
        help=translate("load.timeout"),
    )  # fmt: skip
    key = click.option("--key", metavar="KEY", envvar="OPENAI_API_KEY", help=translate("load.key"))
    return click.option("--url", metavar="URL", help=translate("load.url"))(key(timeout(function)))
