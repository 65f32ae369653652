"""Checks memory: pools against the model's need, their holders, devices, free RAM."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from bpu.board.checks.finding import Finding, failure, note, success, warning
from bpu.board.checks.subject import Subject
from bpu.board.fits import Verdict, usable_sizes, verdict
from bpu.board.processes import Holder, holders, is_serving, running
from bpu.board.readings import Reading, ion_pools, meminfo
from bpu.board.sizes import GIB, MIB, human
from bpu.messages import translate
from bpu.models.memory import Fit, fit

DEVICES = ("ion*", "bpu*", "hbmem*")
#: Below the first the system becomes slow; below the second the kernel is likely to kill the console during a load.
LITTLE_RAM, TOO_LITTLE_RAM = GIB, 256 * MIB


def check_memory(subject: Subject) -> Iterator[Finding]:
    """Check devices, pools and holders on a board, consoles and RAM on every machine."""
    if subject.board:
        yield _devices(subject)
        yield from _pools(subject)
        yield from _cma(subject)
    yield from _consoles(subject)
    yield _ram(subject)


def _devices(subject: Subject) -> Finding:
    found = sorted(path for pattern in DEVICES for path in (subject.root / "dev").glob(pattern))
    if not found:
        return failure("devices", "no_devices", "load_driver")
    inaccessible = [path for path in found if not may_use(path, subject.user)]
    names = ", ".join(str(path) for path in (inaccessible or found))
    if inaccessible:
        return failure("devices", "devices_shut", "open_devices", names=names, user=subject.user)
    return success("devices", "devices", names=names, user=subject.user)


def may_use(path: Path, user: str) -> bool:
    """Whether `user` may read and write `path`, by owner, group and mode; root always may."""
    try:
        status, entry = path.stat(), pwd.getpwnam(user)
    except (OSError, KeyError):
        return False
    if entry.pw_uid == 0:
        return True
    if status.st_uid == entry.pw_uid:
        wanted = stat.S_IRUSR | stat.S_IWUSR
    elif status.st_gid in os.getgrouplist(user, entry.pw_gid):
        wanted = stat.S_IRGRP | stat.S_IWGRP
    else:
        wanted = stat.S_IROTH | stat.S_IWOTH
    return status.st_mode & wanted == wanted


def _pools(subject: Subject) -> Iterator[Finding]:
    pools = ion_pools(subject.root)
    if not pools:
        yield warning("ion", "no_pools", "see_ion_show")
        return
    yield _against_model(subject, pools)
    if len(subject.models) > 1:
        yield _models(subject)
    found = holders(subject.root)
    if found is None:
        yield note("holders", "holders_hidden", "as_root")
        return
    yield _holders(subject, pools, found)


def _against_model(subject: Subject, pools: list[Reading]) -> Finding:
    total, largest = sum(pool["total"] for pool in pools), max(pool["total"] for pool in pools)
    words = ", ".join(f"{pool['name']} {human(pool['total'])}" for pool in pools)
    values = {"pools": words, "total": human(total), "largest": human(largest), "bytes": total}
    need = subject.need
    if need is None:
        return note("ion", "pools_unjudged", **values)
    found = fit(need, usable_sizes({pool["name"]: int(pool["total"]) for pool in pools}))
    if found is Fit.FITS:
        return success("ion", "pools_suffice", need=human(need.total), **values)
    better = verdict(subject.models[0], subject.root).mode if subject.models else "bpu_first"
    remedy = {"mode": better, "remedy": "ion_apply"} if better else {"remedy": "no_mode"}
    if found is Fit.TOO_LARGE:
        return failure("ion", "pools_too_small", need=human(need.total), **remedy, **values)
    return warning("ion", "largest_too_small", need=human(need.largest), **remedy, **values)


def _models(subject: Subject) -> Finding:
    """Report for each model whether it fits now, in another mode, or never."""
    judged = [(model, verdict(model, subject.root)) for model in subject.models]
    rows = "\n".join(f"{model.id}: {fit_words(one)}" for model, one in judged)
    fits = all(one.now in (None, Fit.FITS) for _, one in judged)
    return success("models", "models", rows=rows) if fits else note("models", "models", rows=rows)


def fit_words(judged: Verdict) -> str:
    """Say whether a model fits now, in another mode, or never."""
    if judged.need is None or judged.now is None:
        return translate("doctor.fit_unknown")
    need = human(judged.need.total)
    if judged.now is Fit.FITS:
        return translate("doctor.fit_now", need=need)
    if judged.mode is None:
        return translate("doctor.fit_perhaps" if judged.now is Fit.PERHAPS else "doctor.fit_never", need=need)
    return translate("doctor.fit_after" if judged.sure else "doctor.fit_after_perhaps", need=need, mode=judged.mode)


def _holders(subject: Subject, pools: list[Reading], found: list[Holder]) -> Finding:
    if not found:
        return success("holders", "no_holders")
    words = "; ".join(f"{holder.process}: {human(holder.total)}" for holder in found)
    if any(is_serving(holder.process, subject.root) for holder in found):
        return success("holders", "gateway_holds", holders=words)
    free = sum(pool["total"] for pool in pools) - sum(holder.total for holder in found)
    if subject.model_size is not None and free < subject.model_size:
        return warning("holders", "pools_held", "reclaim", holders=words, free=human(max(free, 0)))
    return note("holders", "some_hold", holders=words, free=human(max(free, 0)))


def _cma(subject: Subject) -> Iterator[Finding]:
    if meminfo(subject.root).get("CmaTotal") == 0:
        yield note("cma", "cma_zero")


def _consoles(subject: Subject) -> Iterator[Finding]:
    """Warn of consoles left open in a terminal, because they hold the model's memory."""
    if not subject.console.is_file():
        return
    idle = [one for one in running(subject.console, subject.root) if not is_serving(one, subject.root)]
    if idle:
        yield warning("consoles", "console_open", "reclaim", holders="; ".join(map(str, idle)))


def _ram(subject: Subject) -> Finding:
    sizes = meminfo(subject.root)
    free, total = sizes.get("MemAvailable"), sizes.get("MemTotal", 0)
    if free is None:
        return note("ram", "ram_unknown")
    values = {"free": human(free), "total": human(total)}
    if free < TOO_LITTLE_RAM:
        return failure("ram", "ram_gone", "free_ram", **values)
    if free < LITTLE_RAM:
        return warning("ram", "ram_little", "free_ram", **values)
    return success("ram", "ram", **values)
