"""Switches performance mode: full clocks for BPU, memory and processors until the next start.

It can be undone. It runs the SDK's script, then sets the kernel's governors, and on the S100P writes the two memory
words that the vendor's manual names. Needs root.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bpu.board import tools
from bpu.board.errors import BoardError
from bpu.board.layout import known_board
from bpu.board.readings import text_of
from bpu.messages import os_reason, sudo_program, translate
from bpu.models.table import default_model
from bpu.settings import Settings, state_dir

#: The spelling of the SDK 0.9.0, then that of later ones.
SCRIPTS = ("set_permorfance_mode.sh", "set_performance_mode.sh")
#: The vendor's manual, for the S100P alone: address and value.
WORDS: Mapping[str, str] = {"0x2b047000": "0x99", "0x2b047004": "0x99"}
#: With sudo's PATH `devmem` can be a broken wrapper; this one is real.
DEVMEM = Path("/usr/bin/devmem")
PERFORMANCE = "performance"
TIMEOUT_S = 30
_GOVERNORS = ("sys/devices/system/cpu/cpufreq/policy*/scaling_governor", "sys/class/devfreq/*/governor")


@dataclass(frozen=True)
class Clock:
    """A clock domain of the kernel.

    It has a governor and frequencies in the kernel's unit, and may offer the governor `performance`.
    """

    name: str
    path: Path
    governor: str
    offers: bool
    current: int
    highest: int

    @property
    def fast(self) -> bool:
        """Whether its governor is `performance`, which keeps the highest frequency."""
        return self.governor == PERFORMANCE


@dataclass(frozen=True)
class Changes:
    """The state before the switch: governors by path, memory words by address.

    It also holds the script that ran, "" if none did.
    """

    governors: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    script: str = ""

    def to_json(self) -> str:
        """Return the record as it is saved in the state folder."""
        return json.dumps({"governors": dict(self.governors), "words": dict(self.words), "script": self.script})


def changes_from_json(text: str) -> Changes:
    """Parse the record of a switch. Raises `ValueError` or `TypeError`."""
    return Changes(**json.loads(text))


def clocks(root: Path = Path("/")) -> list[Clock]:
    """List the clock domains with governors, in order; empty if the kernel has none."""
    return [_clock(path) for pattern in _GOVERNORS for path in sorted(root.glob(pattern))]


def script(runtime_dir: Path) -> Path | None:
    """Return the SDK's script in its runtime folder, in either spelling."""
    return next((runtime_dir / name for name in SCRIPTS if (runtime_dir / name).is_file()), None)


class Performance:
    """Switches performance mode of one board. The file `record` holds the state before the switch."""

    def __init__(
        self,
        runtime_dir: Path,
        record: Path,
        *,
        root: Path = Path("/"),
        run: Callable[..., tools.Result] | None = tools.run,
    ) -> None:
        """With `run` None only the kernel's files below `root` are used, and no program runs."""
        self._runtime_dir = runtime_dir
        self._record = record
        self._root = root
        self._run = run

    def on(self) -> Iterator[str]:
        """Switch it on and yield a sentence for each step.

        Raises `BoardError` if no step was possible.
        """
        before = self._before()
        self._save(before)
        ran, trouble = self._run_script()
        done = [*ran, *self._raise_governors(), *self._write_words(before)]
        if not done:
            self._record.unlink(missing_ok=True)
            raise BoardError("perf.nothing_to_do") if trouble is None else trouble
        yield from done
        if trouble is not None:
            yield trouble.message

    def off(self) -> Iterator[str]:
        """Restore the state before `on`. Raises `BoardError` if it is unknown."""
        before = self.saved_state()
        if before is None:
            raise BoardError("perf.no_record", path=self._record)
        for path, governor in before.governors.items():
            if text_of(Path(path)).strip() != governor:
                self._write(Path(path), governor)
                yield translate("perf.set", name=_name(Path(path)), governor=governor)
        for address, value in before.words.items():
            self._devmem(address, value)
            yield translate("perf.word", address=address, value=value)
        self._record.unlink(missing_ok=True)

    def saved_state(self) -> Changes | None:
        """Return the state before the switch.

        Return None if this program has not switched it on since the board's start.
        """
        try:
            return changes_from_json(self._record.read_text())
        except (OSError, ValueError, TypeError):
            return None

    def _before(self) -> Changes:
        if (known := self.saved_state()) is not None:
            # A second `on` keeps the state before the first one.
            return known
        found = script(self._runtime_dir)
        governors = {str(clock.path): clock.governor for clock in clocks(self._root)}
        return Changes(governors, dict(self._words_now()), str(found or ""))

    def _words_now(self) -> Iterator[tuple[str, str]]:
        if known_board(self._root) != "S100P" or not _has_devmem() or self._run is None:
            return
        for address in WORDS:
            result = self._run([_devmem(), address, "32"], timeout=TIMEOUT_S)
            if result.ok:
                yield address, result.out.strip()

    def _run_script(self) -> tuple[list[str], BoardError | None]:
        found = script(self._runtime_dir)
        if found is None or self._run is None:
            return [], None
        result = self._run(["sh", found], timeout=TIMEOUT_S, cwd=found.parent)
        if result.ok:
            return [translate("perf.script", path=found)], None
        return [], BoardError("perf.script_failed", path=found, reason=result.err.strip() or result.code)

    def _raise_governors(self) -> Iterator[str]:
        for clock in clocks(self._root):
            if clock.offers and not clock.fast:
                self._write(clock.path, PERFORMANCE)
                yield translate("perf.set", name=clock.name, governor=PERFORMANCE)
            elif clock.fast:
                yield translate("perf.is_set", name=clock.name)

    def _write_words(self, before: Changes) -> Iterator[str]:
        for address, value in WORDS.items():
            if address in before.words:
                self._devmem(address, value)
                yield translate("perf.word", address=address, value=value)

    def _devmem(self, address: str, value: str) -> None:
        result = self._run([_devmem(), address, "32", value], timeout=TIMEOUT_S) if self._run else None
        if result is not None and not result.ok:
            raise BoardError("perf.failed", what=f"devmem {address}", reason=result.err.strip() or result.code)

    def _write(self, path: Path, governor: str) -> None:
        try:
            path.write_text(governor)
        except OSError as error:
            raise BoardError("perf.failed", what=path, reason=os_reason(error)) from None

    def _save(self, changes: Changes) -> None:
        temporary = self._record.with_suffix(".new")
        try:
            self._record.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(changes.to_json())
            temporary.replace(self._record)
        except OSError as error:
            raise BoardError("perf.failed", what=self._record, reason=os_reason(error)) from None


def performance(settings: Settings, root: Path = Path("/")) -> Performance:
    """Return the switch for the board of `settings`.

    Its record is in the state folder, which a restart empties.
    """
    run = tools.run if root == Path("/") else None
    return Performance(
        default_model(settings).runtime_dir, state_dir(settings) / "performance.json", root=root, run=run
    )


def enable(
    settings: Settings, *, root: Path = Path("/"), switch: Performance | None = None, user: int | None = None
) -> str | None:
    """Switch performance mode on if `BPU_PERFORMANCE_MODE` is set; gunicorn's master calls it at start.

    Returns a warning for the log if that failed, else None. It never raises and never waits for long.
    """
    if not settings.performance_mode:
        return None
    command = f"{sudo_program()} perf on"
    if (os.geteuid() if user is None else user) != 0:
        return translate("perf.enable_needs_root", command=command)
    try:
        list((switch or performance(settings, root)).on())
    except Exception as error:
        return translate("perf.enable_failed", reason=getattr(error, "message", error), command=command)
    return None


def _clock(path: Path) -> Clock:
    folder = path.parent
    prefix = "scaling_" if path.name.startswith("scaling_") else ""
    offers = text_of(folder / f"{prefix}available_governors") or text_of(folder / "available_governors")
    current = text_of(folder / f"{prefix}cur_freq") or text_of(folder / "cur_freq")
    highest = text_of(folder / f"{prefix}max_freq") or text_of(folder / "max_freq")
    return Clock(
        name=_name(path),
        path=path,
        governor=text_of(path).strip(),
        # If the kernel lists none, only an attempt shows it.
        offers=PERFORMANCE in offers.split() or not offers,
        current=_number(current),
        highest=_number(highest),
    )


def _name(path: Path) -> str:
    return path.parent.name


def _number(text: str) -> int:
    return int(text) if text.strip().isdecimal() else 0


def _has_devmem() -> bool:
    return DEVMEM.exists() or tools.find("devmem") is not None


def _devmem() -> str:
    return str(DEVMEM) if DEVMEM.exists() else "devmem"
