"""The steps of `setup`: each examines the board and names the command that completes it.

It changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bpu.board import service, tools
from bpu.board.checks.files import check_files
from bpu.board.checks.finding import Finding, Level, finding
from bpu.board.checks.memory import check_memory
from bpu.board.checks.network import check_network
from bpu.board.checks.subject import Subject
from bpu.board.checks.system import check_system
from bpu.board.layout import known_board
from bpu.cli._record import record_findings
from bpu.messages import translate
from bpu.models.catalogue import catalogue
from bpu.models.sdk import find_console, is_second_generation

Words = tuple[str, ...]
#: Folders where SDKs are usually unpacked, and the names of their runtime folders.
SDK_FOLDERS = ("jinyl_dev/models/*", "opt/*", "root/*", "home/*/*", "home/*/*/*", "userdata/*", "app/*")
RUNTIMES = ("runtime", "oellm_runtime")


@dataclass(frozen=True)
class StepState:
    """The result of examining a step.

    `command` completes it; if it is empty and `is_done` False, a person must act. `then_restart`: after the command the
    board must be restarted and the setup run again.
    """

    findings: tuple[Finding, ...]
    is_done: bool
    command: Words = ()
    needs_root: bool = False
    then_restart: bool = False
    #: Shown when a person must act; the findings' own remedies are shown anyway.
    remedy: str = ""
    #: Prints something and changes nothing, so that no agreement is needed.
    is_harmless: bool = False


@dataclass(frozen=True)
class Step:
    """One step; `name` is a message (`setup.step_NAME`); `is_needed`: later steps cannot work without it."""

    name: str
    examine: Callable[[Subject], StepState]
    is_needed: bool = False


def model_command(subject: Subject) -> Words:
    """Return the command that downloads the smallest model for this board and SDK.

    () if the catalogue has none.
    """
    board, runtime = known_board(subject.root), subject.settings.runtime_dir
    sizes = {
        row.id: row.memory
        for row in catalogue()
        if row.pull and row.memory is not None and board in row.boards and find_console(runtime, (row.console,))
    }
    return ("pull", min(sizes, key=lambda name: sizes[name])) if sizes else ()


def steps() -> tuple[Step, ...]:
    """Return all steps in the order of the board guide."""
    return (
        Step("system", _system),
        Step("sdk", _sdk, is_needed=True),
        Step("model", _model, is_needed=True),
        Step("pools", _pools, is_needed=True),
        Step("performance", _performance),
        Step("console", _console),
        Step("service", _service),
        Step("addresses", _addresses),
        Step("chatbox", _chatbox),
    )


def _of_checks(found_all: Iterable[Finding], *names: str) -> tuple[Finding, ...]:
    return tuple(one for one in found_all if one.check in names)


def _all_fine(findings: Iterable[Finding]) -> bool:
    return all(one.level <= Level.FINE for one in findings)


def _state_of(
    findings: tuple[Finding, ...], command: Words = (), *, root: bool = False, restart: bool = False
) -> StepState:
    """Return a state that is done if all findings are fine, else with `command`."""
    return StepState(findings, _all_fine(findings), command, needs_root=root, then_restart=restart)


def _system(subject: Subject) -> StepState:
    findings = _of_checks(check_system(subject), "board", "system")
    missing = sorted({tools.PACKAGES[name] for name in ("stdbuf", "setpriv", "fdtput") if subject.find(name) is None})
    if missing and subject.board:
        remedy = f"sudo apt install {' '.join(missing)}"
        return StepState(findings, False, remedy=remedy)
    return StepState(findings, True)


def _sdk(subject: Subject) -> StepState:
    findings = _of_checks(check_files(subject), "engine", "runtime", "console", "libraries", "stdbuf")
    if all(one.level is not Level.BROKEN for one in findings):
        return StepState(findings, True)
    place = next(find_sdks(subject.root), None)
    if place is None:
        newer = next((folder for folder in _runtimes(subject.root) if is_second_generation(folder)), None)
        words = translate("setup.where_sdk")
        return StepState(
            findings,
            False,
            remedy=words if newer is None else f"{translate('models.second_sdk', folder=newer)}\n{words}",
        )
    offered = (*findings, finding("sdk", Level.NOTE, "other_sdk", path=place))
    # The console follows from the model: an SDK may hold several, one for each kind of model.
    return StepState(offered, False, ("config", "set", f"BPU_RUNTIME_DIR={place}"), needs_root=True)


def find_sdks(root: Path) -> Iterator[Path]:
    """Yield the runtime folders of SDKs in the usual places that hold a console program."""
    for runtime in _runtimes(root):
        if (runtime / "lib").is_dir() and find_console(runtime) is not None:
            yield runtime


def _runtimes(root: Path) -> Iterator[Path]:
    """Yield the folders that may be the runtime folder of an SDK, each once."""
    folders = [folder for pattern in SDK_FOLDERS for folder in sorted(root.glob(pattern))]
    yield from dict.fromkeys(place for folder in folders for place in (folder, *(folder / name for name in RUNTIMES)))


def _model(subject: Subject) -> StepState:
    findings = _of_checks(check_files(subject), "engine", "model", "model_type", "tokenizer", "template", "refused")
    broken = [one.check for one in findings if one.level is Level.BROKEN]
    if not broken:
        differs = next((one for one in findings if one.check == "model_type" and one.level is Level.WARNING), None)
        if differs is None:
            return StepState(findings, True)
        return StepState(
            findings, False, ("config", "set", f"BPU_MODEL_TYPE={differs.facts['wanted']}"), needs_root=True
        )
    command = model_command(subject) if "model" in broken else ()
    return StepState(
        findings, False, command, needs_root=True, remedy="" if command else translate("setup.where_model")
    )


def _pools(subject: Subject) -> StepState:
    if not subject.board:
        return StepState((), True, remedy="")
    findings = _of_checks(check_memory(subject), "devices", "ion", "holders", "consoles")
    pools = next((one for one in findings if one.check == "ion" and one.level > Level.FINE), None)
    if pools is not None:
        # If no mode holds the model, a person must choose another model.
        command = ("ion", "apply", str(pools.facts["mode"])) if "mode" in pools.facts else ()
        return StepState(findings, False, command, needs_root=True, then_restart=True)
    return _state_of(findings, ("reclaim",), root=True)


def _performance(subject: Subject) -> StepState:
    if not subject.board:
        return StepState((), True)
    return _state_of(_of_checks(check_system(subject), "performance"), ("perf", "on"), root=True)


def _console(subject: Subject) -> StepState:
    if not subject.wants_console or subject.root != Path("/"):
        return StepState((), True)
    findings = tuple(record_findings(subject.settings))
    known = any(one.level is Level.FINE for one in findings)
    return StepState(findings, known, () if known else ("doctor", "--probe"), needs_root=True)


def _service(subject: Subject) -> StepState:
    if subject.root != Path("/"):
        return StepState((), True)
    if subject.find("systemctl") is None:
        return StepState((), False, remedy=translate("setup.without_systemd"))
    state: Mapping[str, str] = service.state(service.GATEWAY, run=subject.run)
    runs = state.get("ActiveState") == "active" and state.get("UnitFileState") == "enabled"
    extra = ("--performance",) if subject.board else ()
    key = "service_runs" if runs else "service_absent"
    findings = (finding("service", Level.FINE if runs else Level.NOTE, key),)
    return StepState(findings, runs, () if runs else ("service", "install", *extra), needs_root=True)


def _addresses(subject: Subject) -> StepState:
    findings = _of_checks(check_network(subject), "port", "addresses", "static", "firewall")
    return StepState(findings, not any(one.level is Level.BROKEN for one in findings))


def _chatbox(subject: Subject) -> StepState:
    keys = subject.settings.api_keys_file
    needs_root = keys is not None and not os.access(keys, os.R_OK)
    return StepState((), False, ("connect", "chatbox"), needs_root=needs_root, is_harmless=True)


def with_places(words: Words, *, sysfs: Path) -> Words:
    """Return `words` with options for a system at `sysfs` that is not the running one."""
    if sysfs == Path("/") or words[0] not in ("ion", "perf", "reclaim", "doctor", "pull"):
        return words
    boot = ("--boot-dir", str(sysfs / "boot")) if words[0] == "ion" else ()
    return (*words, "--sysfs", str(sysfs), *boot)
