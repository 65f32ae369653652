"""Running other programs: what comes back, what is killed, what is withheld, what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bpu.board import tools
from tests.support.waits import until


def python(code: str, **options: object) -> tools.Result:
    return tools.run([sys.executable, "-c", code], **{"timeout": 30, **options})  # type: ignore[arg-type]


def test_says_what_the_program_said_and_how_it_ended() -> None:
    result = python("import sys; print('好'); print('bad', file=sys.stderr); sys.exit(3)")
    assert result == tools.Result(3, "好\n", "bad\n")
    assert not result.ok


def test_hands_the_input_over_and_replaces_broken_text() -> None:
    code = "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d + bytes([255]))"
    assert python(code, input="水" * 100_000).out == "水" * 100_000 + "\N{REPLACEMENT CHARACTER}"


def test_a_program_without_input_reads_an_end_of_file() -> None:
    assert python("import sys; print(repr(sys.stdin.read()))").out == "''\n"


def test_a_signal_is_a_negative_code() -> None:
    assert python("import os; os.kill(os.getpid(), 9)").code == -9


def test_a_missing_program_names_its_debian_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "EXTRA_FOLDERS", ())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(tools.ToolMissing) as caught:
        tools.run(["dtc", "--version"], timeout=1)
    assert caught.value.package == "device-tree-compiler"
    assert "device-tree-compiler" in caught.value.message
    with pytest.raises(tools.ToolMissing, match="no-such-program"):
        tools.run(["no-such-program"], timeout=1)


def test_finds_programs_outside_a_short_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "hb_switch"
    program.write_text("#!/bin/sh\necho switched\n")
    program.chmod(0o755)
    assert tools.find("hb_switch") is None
    monkeypatch.setattr(tools, "EXTRA_FOLDERS", (str(tmp_path),))
    assert tools.find("hb_switch") == str(program)
    assert tools.run(["hb_switch"], timeout=30).out == "switched\n"


def test_a_program_that_cannot_start_is_a_typed_error(tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_bytes(b"\x7fELF not really")
    program.chmod(0o755)
    with pytest.raises(tools.ToolFailed, match="broken"):
        tools.run([program], timeout=1)


def test_after_the_time_limit_the_children_are_gone_too() -> None:
    code = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    pids: list[int] = []

    class Popen(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            assert self.stdout is not None
            pids.extend([self.pid, int(self.stdout.readline())])

    with pytest.raises(tools.ToolFailed):
        python(code, timeout=0.05, popen=Popen)
    until(lambda: not any(running(pid) for pid in pids), what="both have ended")


def running(pid: int) -> bool:
    """Whether a process lives; one that waits to be reaped by a distant parent is dead."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_secrets_stay_here_and_output_is_plain_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPU_API_KEYS", "secret")
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    code = "import os; print(os.environ.get('BPU_API_KEYS'), os.environ['LC_ALL'], os.environ['MORE'])"
    assert python(code, env={"MORE": "yes"}).out == "None C.UTF-8 yes\n"


def test_replace_keeps_the_whole_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BPU_API_KEYS", "secret")
    monkeypatch.chdir("/")
    seen: list[tuple[str, list[str], dict[str, str]]] = []

    class Replaced(Exception):
        pass

    def execute(path: str, words: list[str], environment: dict[str, str]) -> None:
        seen.append((path, words, environment))
        raise Replaced

    with pytest.raises(Replaced):
        tools.replace([sys.executable, "-V"], env={"MORE": "yes"}, cwd=tmp_path, execute=execute)
    [(path, words, environment)] = seen
    assert (path, words) == (sys.executable, [sys.executable, "-V"])
    assert environment["BPU_API_KEYS"] == "secret"
    assert environment["MORE"] == "yes"
    assert Path.cwd() == tmp_path


#: A program under gevent's patches, and what it needs to start slow programs and to count its children.
IN_GREENLETS = """
from gevent import monkey; monkey.patch_all()
import gevent, os, sys
from pathlib import Path
from bpu.board import tools

SLOW = [sys.executable, "-c", "import time; time.sleep(600)"]

def start_slow():
    return gevent.spawn(tools.run, SLOW, timeout=600)

def children():
    return Path("/proc/self/task", str(os.getpid()), "children").read_text().split()
"""


def in_greenlets(code: str) -> tuple[str, str]:
    """Run `code` after `IN_GREENLETS`: (its output, its errors)."""
    result = python(f"{IN_GREENLETS}\n{code}", timeout=60, cwd=Path(__file__).parents[3])
    return result.out, result.err


def test_works_in_a_greenlet_that_is_killed() -> None:
    """Under gevent's patches other greenlets go on meanwhile, and a killed one leaves no program behind."""
    code = """
slow = start_slow()
print(tools.run([sys.executable, "-c", "print(7)"], timeout=60).out.strip(), slow.ready())
slow.kill()
print(children())
"""
    assert in_greenlets(code) == ("7 False\n[]\n", "")


def test_a_greenlet_that_is_killed_while_its_program_starts_leaves_none_behind() -> None:
    """The kill lands inside `Popen`, between fork and exec: there the child has no group of its own yet."""
    code = """
for turn in range(5):
    slow = start_slow()
    while not children():
        gevent.sleep(0)
    slow.kill()
    if turn == 0:
        descriptors = len(os.listdir("/proc/self/fd"))
print(children(), len(os.listdir("/proc/self/fd")) - descriptors)
"""
    assert in_greenlets(code) == ("[] 0\n", "")


def test_an_interrupt_while_a_program_starts_leaves_none_behind() -> None:
    started: list[int] = []

    class Interrupted(subprocess.Popen[bytes]):
        def _execute_child(self, *arguments: Any, **options: Any) -> None:
            super()._execute_child(*arguments, **options)  # type: ignore[misc]
            started.append(self.pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        python("import time; time.sleep(600)", popen=Interrupted)
    assert not running(started[0])
