"""How the gateway is served: `gunicorn -c gunicorn.conf.py wsgi:app`. The BPU_ settings decide.

This file runs in the master, before anything is patched: it must import nothing that opens sockets or threads.
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
from bpu.access_policy import access, is_near
from bpu.board import performance
from bpu.board.addresses import announce, taken
from bpu.board.service import AVAHI_FILE
from bpu.chat.loader import load_template
from bpu.discovery import announcer_process
from bpu.engine.client.launch_config import choose_files, plan_table, served_settings
from bpu.engine.protocol import notify_shutdown
from bpu.errors import BpuError, SettingsError
from bpu.messages import say
from bpu.models.table import hold_table, holds_table
from bpu.settings import Settings, read_settings, state_dir
from bpu.web import metrics_dir, ollama_bind
from bpu.web.connections import Connections
from bpu.web.shared_counts import CountTable

#: Said when the metrics of several workers cannot be added up.
ALONE = "There is no room for metrics that workers share, so /metrics tells of the one worker that answers"


def _checked() -> Settings:
    """The settings, every mistake in them told at once; then the start is over, without a traceback."""
    try:
        for notice in settings_file.adopt().notices:
            sys.stderr.write(f"{notice}\n")
    except SettingsError as broken:
        _refuse_start([broken.message])
    settings, mistakes = read_settings()
    reloads = holds_table(settings)
    if (wrong := _mistake(hold_table, settings)) is not None and reloads:
        # A slip in the file must not end what runs: it goes on with the table that it has.
        sys.stderr.write(f"{wrong.message}\n{say('models.not_reloaded')}\n")
        wrong = None
    checks = (access,) if wrong else (access, plan_table)
    mistakes += [*([wrong.message] if wrong else []), *(e.message for c in checks if (e := _mistake(c, settings)))]
    if not mistakes and (error := _mistake(_read_template, settings)):
        mistakes.append(error.message)
    if mistakes:
        _refuse_start(mistakes)
    return served_settings(settings)


def _read_template(settings: Settings) -> None:
    """See that the model's template can be used, which every worker finds out else, with a traceback."""
    files = choose_files(settings)
    load_template(files.template, files.tokenizer_dir, strftime_now=time.strftime)


def _refuse_start(mistakes: list[str]) -> NoReturn:
    text = "\n".join([say("settings.wrong"), *mistakes]).replace("\n", "\n  ")
    sys.stderr.write(f"{text}\n{say('settings.not_started')}\n")
    sys.exit(SettingsError.exit_code)


def _mistake(check: Callable[[Settings], object], settings: Settings) -> SettingsError | None:
    try:
        check(settings)
    except SettingsError as error:
        return error
    return None


def _raise_descriptors() -> None:
    """As many open files as the system allows us: most start a service with 1024, a stream needs a few each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or soft < hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


_settings = _checked()
log_format.protect_output(_settings.log_format)
_raise_descriptors()


def _share_metrics() -> str | None:
    """Make the folder that prometheus-client finds when a worker imports it; None, or why there is none.

    After a reload this finds the same folder: counters go on.
    """
    try:
        os.environ[metrics_dir.VARIABLE] = str(metrics_dir.make_folder(state_dir(_settings)))
    except OSError as error:
        os.environ.pop(metrics_dir.VARIABLE, None)
        return str(error)
    return None


_unshared_because = _share_metrics()
#: A column for each worker; while one is replaced there are two, and a few may be added by a signal.
_counts = CountTable(2 * _settings.workers + 8)

bind = [part.strip() for part in _settings.bind.split(",") if part.strip()]
bind += ollama_bind.choose(_settings.ollama_bind, bind)
workers = _settings.workers
worker_class = "bpu.server.worker.Worker"  # gunicorn's gevent worker, with JSON errors
worker_connections = 1000
# The application is loaded in each worker: in the master it would be loaded unpatched.
preload_app = False
control_socket_disable = True
reuse_port = False
# A worker is alive when its main greenlet runs, however long an answer takes: this catches frozen ones alone.
timeout = 120
# The worker's own drain comes first; this is the master's patience with a worker that does not leave.
graceful_timeout = math.ceil(_settings.graceful_s) + 5
keepalive = 90
# Only this user and this group may connect to a unix socket; by default gunicorn lets everybody of the board.
umask = 0o117
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 16380
forwarded_allow_ips = ",".join(name for name in _settings.trusted_proxies if name != "unix")
# The gateway writes one line a request itself.
accesslog = None
errorlog = "-"
logconfig_dict = log_format.config(_settings.log_format)


def on_starting(server: Any) -> None:
    """Once, before it listens: an address in use ends the start, with its remedy; then full clocks, if wished for."""
    if not (server.cfg.reuse_port or "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ):
        _refuse_taken(",".join(server.cfg.settings["bind"].get()))
    if (warning := performance.enable(_settings)) is not None:
        server.log.warning("%s", warning)


def _refuse_taken(bind: str) -> None:
    if parts := taken(bind):
        sys.stderr.write(say("addresses.taken", bind=", ".join(parts)) + "\n")
        sys.exit(1)


def when_ready(server: Any) -> None:
    """The gateway listens: say where, and who answers."""
    locked = access(_settings).needs_key
    write = (lambda text: server.log.info("%s", text.strip())) if _settings.log_format == "json" else None
    files = choose_files(_settings)
    announce(
        _settings,
        simulated=files.simulated,
        cpu=files.cpu,
        serves=lambda ip: locked or is_near(ip),
        write=write,
    )
    if files.cpu and not (files.tokenizer_dir / "tokenizer.json").is_file():
        server.log.warning("%s", say("addresses.estimated"))
    for address, reason in ollama_bind.refused().items():
        server.log.warning("BPU_OLLAMA_BIND: %s is not served: %s. Everything else is.", address, reason)
    if _unshared_because is not None:
        server.log.warning(f"{ALONE}: %s", _unshared_because)
    _announce_on_network(server)
    if _settings.log_prompts:
        server.log.warning("BPU_LOG_PROMPTS is set: every prompt and every answer is written to this log.")


def _announce_on_network(server: Any) -> None:
    """By mDNS, in a process of its own; what goes wrong there must not keep the gateway from serving."""
    if announcer_process.is_stale(_settings):
        server.log.warning("%s", say("service.avahi_stale", file=AVAHI_FILE))
    try:
        server.bpu_announcer = announcer_process.start(_settings)
    except BpuError as error:
        server.log.warning("%s", error.message)


def pre_fork(server: Any, worker: Any) -> None:
    """In the master: a worker gets its column of the counts that all workers share."""
    worker.counts = _counts.assign()


def post_fork(server: Any, worker: Any) -> None:
    """In the worker, before it loads the application: without room for its metrics it keeps them to itself."""
    if (folder := os.environ.get(metrics_dir.VARIABLE)) is None:
        return
    try:
        metrics_dir.reserve(Path(folder), worker.pid)
    except OSError as error:
        del os.environ[metrics_dir.VARIABLE]
        server.log.warning(f"{ALONE}: %s", error)


def child_exit(server: Any, worker: Any) -> None:
    """In the master, when a worker has ended; after a reload its counts are in the table of the settings before."""
    if worker.counts is not None:
        worker.counts.close()
    if (folder := os.environ.get(metrics_dir.VARIABLE)) is not None:
        metrics_dir.release(Path(folder), worker.pid)


def post_worker_init(worker: Any) -> None:
    """The worker can serve: join the engine, and be warm before the first client comes."""
    from bpu.web.warmup import warm  # it needs what is patched in a worker only

    gateway = worker.wsgi.extensions["bpu"]
    worker.leaving, worker.cut = gateway.leave, gateway.engine.abort_jobs
    worker.refused = gateway.meters.refused
    worker.head_s = gateway.settings.head_timeout_s
    worker.first_byte_s = gateway.settings.first_byte_timeout_s
    worker.connections = Connections(
        access(gateway.settings),
        # A request under way may need a second descriptor, for its job.
        limit=min(worker.cfg.worker_connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2),
        client_limit=gateway.settings.client_connections,
        counts=worker.counts,
    )
    if worker.counts is not None:
        gateway.stream_slots.counts = worker.counts
    atexit.register(gateway.engine.stop)
    gateway.engine.start()
    warm(worker.wsgi)
    # What is there now stays: the garbage collector need not look at it again, in the middle of somebody's answer.
    gc.collect()
    gc.freeze()


def worker_exit(server: Any, worker: Any) -> None:
    """The worker is leaving, for whatever reason that lets it run this."""
    if worker.wsgi is not None:
        worker.wsgi.extensions["bpu"].engine.stop()


def on_exit(server: Any) -> None:
    """The master is leaving, and with it every worker: the keeper need not wait for another."""
    notify_shutdown(state_dir(_settings))
    if (pid := getattr(server, "bpu_announcer", None)) is not None:
        announcer_process.stop(pid)
    if (folder := os.environ.get(metrics_dir.VARIABLE)) is not None:
        metrics_dir.remove_folder(folder)
