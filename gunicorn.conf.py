"""Configures gunicorn from the BPU_ settings: `gunicorn -c gunicorn.conf.py wsgi:app`.

This file runs in gunicorn's master before gevent patches anything, so it must not import modules that open sockets or
start threads. Hooks run in the master unless their docstring names the worker.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import math
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from bpu import log_format, settings_file
from bpu.access_policy import access, serves_networks
from bpu.board import performance
from bpu.board.addresses import busy_ports, print_addresses
from bpu.board.service import AVAHI_FILE
from bpu.chat.loader import load_template
from bpu.discovery import announcer_process
from bpu.engine.client.launch_config import build_launch_table, choose_files, served_names, served_settings
from bpu.engine.protocol import notify_shutdown
from bpu.errors import BpuError, SettingsError
from bpu.messages import translate
from bpu.models.table import hold_table, holds_table
from bpu.settings import Settings, read_settings, state_dir
from bpu.web import metrics_dir, ollama_bind
from bpu.web.connections import Connections
from bpu.web.shared_counts import CountTable

#: Warning when the metrics of several workers cannot be added up.
METRICS_UNSHARED = "There is no room for metrics that workers share, so /metrics tells of the one worker that answers"


def _check_settings() -> Settings:
    """Return the settings of the served engine.

    Report all mistakes and exit if there are any.
    """
    try:
        for notice in settings_file.adopt().notices:
            sys.stderr.write(f"{notice}\n")
    except SettingsError as broken:
        _refuse_start([broken.message])
    settings, mistakes = read_settings()
    reloads = holds_table(settings)
    if (wrong := _error_of(hold_table, settings)) is not None and reloads:
        # A mistake in the file must not end a running gateway, so it keeps the table that it has.
        sys.stderr.write(f"{wrong.message}\n{translate('models.not_reloaded')}\n")
        wrong = None
    checks = (access,) if wrong else (access, build_launch_table)
    mistakes += [*([wrong.message] if wrong else []), *(e.message for c in checks if (e := _error_of(c, settings)))]
    if not mistakes and (error := _error_of(_read_template, settings)):
        mistakes.append(error.message)
    if mistakes:
        _refuse_start(mistakes)
    return served_settings(settings)


def _read_template(settings: Settings) -> None:
    """Check the model's template here, because otherwise every worker would fail with a traceback."""
    files = choose_files(settings)
    load_template(files.template, files.tokenizer_dir, strftime_now=time.strftime)


def _refuse_start(mistakes: list[str]) -> NoReturn:
    text = "\n".join([translate("settings.wrong"), *mistakes]).replace("\n", "\n  ")
    sys.stderr.write(f"{text}\n{translate('settings.not_started')}\n")
    sys.exit(SettingsError.exit_code)


def _error_of(check: Callable[[Settings], object], settings: Settings) -> SettingsError | None:
    try:
        check(settings)
    except SettingsError as error:
        return error
    return None


def _raise_descriptor_limit() -> None:
    """Raise the limit on open files as far as allowed.

    1024 are too few for many streams.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or soft < hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


_settings = _check_settings()
log_format.protect_output(_settings.log_format)
_raise_descriptor_limit()


def _make_metrics_folder() -> str | None:
    """Make the folder that prometheus-client uses in workers.

    Return why it cannot be made, or None. After a reload it is the same folder, so that counters go on.
    """
    try:
        os.environ[metrics_dir.VARIABLE] = str(metrics_dir.make_folder(state_dir(_settings)))
    except OSError as error:
        os.environ.pop(metrics_dir.VARIABLE, None)
        return str(error)
    return None


_metrics_problem = _make_metrics_folder()
#: Columns for the workers: two for one that is being replaced, and some that a signal may add.
_counts = CountTable(2 * _settings.workers + 8)

bind = [part.strip() for part in _settings.bind.split(",") if part.strip()]
bind += ollama_bind.choose(_settings.ollama_bind, bind)
workers = _settings.workers
worker_class = "bpu.server.worker.Worker"  # gunicorn's gevent worker, with JSON errors
worker_connections = 1000
# Each worker loads the application itself, because gevent patches only workers.
preload_app = False
control_socket_disable = True
reuse_port = False
# A worker counts as alive while its main greenlet runs, however long an answer takes; this ends frozen ones.
timeout = 120
# A worker ends within `BPU_GRACEFUL_S` and a second; the master kills one that hangs after these.
graceful_timeout = math.ceil(_settings.graceful_s) + 5
keepalive = 90
# Only this user and group may connect to a unix socket; by default gunicorn allows every user of the board.
umask = 0o117
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 16380
forwarded_allow_ips = ",".join(name for name in _settings.trusted_proxies if name != "unix")
# The gateway itself writes one line for each request.
accesslog = None
errorlog = "-"
logconfig_dict = log_format.config(_settings.log_format)
logger_class = "bpu.server.log.Log"  # gunicorn's own, whose level holds for the gateway's lines too


def on_starting(server: Any) -> None:
    """Before the master listens: exit if an address is in use.

    It then sets full clock rates if configured.
    """
    if not (server.cfg.reuse_port or "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ):
        _refuse_taken(",".join(server.cfg.settings["bind"].get()))
    if (warning := performance.enable(_settings)) is not None:
        server.log.warning("%s", warning)


def _refuse_taken(bind: str) -> None:
    if parts := busy_ports(bind):
        sys.stderr.write(translate("addresses.taken", bind=", ".join(parts)) + "\n")
        sys.exit(1)


def when_ready(server: Any) -> None:
    """Log where the gateway listens and which engine answers."""
    write = (lambda text: server.log.info("%s", text.strip())) if _settings.log_format == "json" else None
    files = choose_files(_settings)
    print_addresses(
        _settings,
        simulated=files.simulated,
        cpu=files.cpu,
        serves=serves_networks(_settings),
        write=write,
    )
    if files.cpu and not (files.tokenizer_dir / "tokenizer.json").is_file():
        server.log.warning("%s", translate("addresses.estimated"))
    for address, reason in ollama_bind.refused().items():
        server.log.warning("BPU_OLLAMA_BIND: %s is not served: %s. Everything else is.", address, reason)
    if _metrics_problem is not None:
        server.log.warning(f"{METRICS_UNSHARED}: %s", _metrics_problem)
    _announce_on_network(server)
    if _settings.log_prompts:
        server.log.warning("BPU_LOG_PROMPTS is set: every prompt and every answer is written to this log.")


def _announce_on_network(server: Any) -> None:
    """Announce the gateway by mDNS in a process of its own.

    Its errors must not stop the gateway.
    """
    models = served_names(_settings)
    if announcer_process.is_stale(_settings, models):
        server.log.warning("%s", translate("service.avahi_stale", file=AVAHI_FILE))
    try:
        server.bpu_announcer = announcer_process.start(_settings, models)
    except BpuError as error:
        server.log.warning("%s", error.message)


def pre_fork(server: Any, worker: Any) -> None:
    """Give a worker its column of the counts that all workers share."""
    worker.counts = _counts.assign()


def post_fork(server: Any, worker: Any) -> None:
    """In the worker, before it loads the application.

    Reserve room for its metrics, or keep them to itself.
    """
    if (folder := os.environ.get(metrics_dir.VARIABLE)) is None:
        return
    try:
        metrics_dir.reserve(Path(folder), worker.pid)
    except OSError as error:
        del os.environ[metrics_dir.VARIABLE]
        server.log.warning(f"{METRICS_UNSHARED}: %s", error)


def child_exit(server: Any, worker: Any) -> None:
    """Release what an ended worker held.

    After a reload its counts are in the earlier table.
    """
    if worker.counts is not None:
        worker.counts.close()
    if (folder := os.environ.get(metrics_dir.VARIABLE)) is not None:
        metrics_dir.release(Path(folder), worker.pid)


def post_worker_init(worker: Any) -> None:
    """In the worker: connect to the engine and warm up before the first client comes."""
    from bpu.web.warmup import warm  # needs gevent's patches, which only a worker has

    ctx = worker.wsgi.extensions["bpu"]
    worker.on_stop, worker.abort_jobs = ctx.close, ctx.engine.abort_jobs
    worker.runs_answers = lambda: ctx.runs_answers
    worker.on_refused = ctx.request_metrics.count_refusal
    worker.head_s = ctx.settings.head_timeout_s
    worker.first_byte_s = ctx.settings.first_byte_timeout_s
    worker.graceful_s = ctx.settings.graceful_s
    worker.connections = Connections(
        access(ctx.settings),
        # A running request may need a second descriptor for its job.
        limit=min(worker.cfg.worker_connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2),
        client_limit=ctx.settings.client_connections,
        counts=worker.counts,
    )
    if worker.counts is not None:
        ctx.streams.counts = worker.counts
    atexit.register(ctx.engine.stop)
    ctx.engine.start()
    warm(worker.wsgi)
    # Objects that exist now stay, so the garbage collector must not scan them again during an answer.
    gc.collect()
    gc.freeze()


def worker_exit(server: Any, worker: Any) -> None:
    """In the worker, at its end: disconnect from the engine."""
    if worker.wsgi is not None:
        worker.wsgi.extensions["bpu"].engine.stop()


def on_exit(server: Any) -> None:
    """At the master's end: tell the keeper that no worker will follow, and clean up."""
    notify_shutdown(state_dir(_settings))
    if (pid := getattr(server, "bpu_announcer", None)) is not None:
        announcer_process.stop(pid)
    if (folder := os.environ.get(metrics_dir.VARIABLE)) is not None:
        metrics_dir.remove_folder(folder)
