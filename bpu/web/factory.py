"""Makes a worker's parts from the settings: engine, prompter, models.

It reads their files and starts no process.
"""

from __future__ import annotations

import atexit
import socket
from pathlib import Path

from flask import Blueprint

from bpu import gevent_io
from bpu.board.addresses import local_addresses, reachable
from bpu.chat.loader import model_reasons
from bpu.engine.client.launch_config import (
    build_launch_table,
    choose_files,
    chosen_table,
    context_size,
    served_settings,
    unusable,
)
from bpu.engine.launch_spec import LaunchTable
from bpu.images.job_images import ImageInput
from bpu.model_parts import load_parts
from bpu.models.spec import ModelSpec
from bpu.settings import Settings, data_dir, state_dir
from bpu.web.activity_store import ActivityStore
from bpu.web.context import AppContext, Engine
from bpu.web.detached import DetachedAnswers
from bpu.web.log_stream import LogPoller, log_blueprint
from bpu.web.routes.models import entries
from bpu.web.routes.page import page_blueprint
from bpu.web.served_models import ServedModel, ServedModels
from bpu.web.status_stream import StatusPoller
from bpu.web.stream_registry import StreamRegistry


def assemble(settings: Settings, engine: Engine | None = None) -> AppContext:
    """Make the parts that `settings` ask for, with `engine` if it is given. Raises `SettingsError`."""
    settings = served_settings(settings)
    table = chosen_table(settings)
    choose_files(settings, table.default_model)
    launches = None if engine else build_launch_table(settings)
    others = (model for model in table.models if model.id != table.default)
    served = [_served(settings, model, launches) for model in (table.default_model, *others)]
    _ = served[0].parts  # so that an unreadable default model ends the start
    ctx = AppContext(
        settings=settings,
        engine=engine or _console_engine(settings, launches),
        served=ServedModels(tuple(served), settings.think_model),
        streams=StreamRegistry(settings.status_streams),
        detached=DetachedAnswers(state_dir(settings) / "detached"),
        activity=_activity_store(settings),
        images=ImageInput(state_dir(settings), settings.image_urls),
    )
    ctx.images.sweep()
    if ctx.activity is not None:
        ctx.activity.expire_hourly()
        ctx.on_stop.append(ctx.activity.write)
        atexit.register(ctx.activity.write)
    return ctx


def _activity_store(settings: Settings) -> ActivityStore | None:
    if settings.activity == "0":
        return None
    path = data_dir(settings) / "activity.sqlite3"
    return ActivityStore(path, later=gevent_io.spawn_later, in_thread=gevent_io.in_thread)


def _served(settings: Settings, model: ModelSpec, launches: LaunchTable | None) -> ServedModel:
    problem = unusable(settings, model)
    files = None if problem else choose_files(settings, model)
    return ServedModel(
        id=model.id,
        aliases=model.aliases,
        context_size=context_size(settings, model),
        is_context_public=settings.publish_context,
        created=_modified_at(model.hbm) if files is None else _modified_at(files.model, files.template),
        file=model.hbm if files is None else files.model,
        tokenizer_dir=model.tokenizer_dir if files is None else files.tokenizer_dir,
        idle_unload_s=model.idle_unload_s,
        load_parts=lambda: load_parts(settings, model, launches, reasoning=settings.reasoning),
        find_reasons=lambda: model_reasons(model.thinking, None if files is None else files.template),
        problem=problem,
        image_side=model.image_side,
    )


def _console_engine(settings: Settings, launches: LaunchTable | None) -> Engine:
    from bpu.engine.client.engine import Engine as ConsoleEngine  # imported here, because only this engine needs gevent

    return ConsoleEngine(launches or build_launch_table(settings), queue_timeout_s=settings.queue_timeout_s)


def assemble_page(ctx: AppContext) -> Blueprint:
    """Make the blueprint of the page and of its status stream."""
    return page_blueprint(
        lambda: ctx.streams.respond(StatusPoller(ctx.engine.status, ctx.read_sensors).poll),
        addresses=lambda: _addresses(ctx.settings),
        models=lambda: entries(ctx),
    )


def assemble_log(ctx: AppContext) -> Blueprint:
    """Make the blueprint of the stream of the console's log lines."""
    return log_blueprint(lambda: ctx.streams.respond(LogPoller(lambda: ctx.engine.status()["log"]).poll))


def _addresses(settings: Settings) -> list[str]:
    return [url for url, _ in reachable(settings.bind, local_addresses(), socket.gethostname())]


def _modified_at(*paths: Path) -> int:
    """Return the modification time of the first of `paths` that exists, in seconds since 1970."""
    return next((int(path.stat().st_mtime) for path in paths if path.exists()), 0)
