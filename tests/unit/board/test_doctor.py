"""The checks of `doctor`, on boards in a folder: what is well, what is not, and the remedy of each."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bpu.board import tools
from bpu.board.addresses import Address, Kind
from bpu.board.checks.finding import Finding, Level, exit_code
from bpu.board.checks.memory import may_use
from bpu.board.checks.subject import Subject
from bpu.board.doctor import examine
from bpu.board.processes import holders, process, running
from bpu.board.sizes import GIB, MIB
from bpu.messages import translate
from bpu.settings import Settings
from tests.unit.board.device import Board

MODEL = "DeepSeek_R1_Distill_Qwen_1.5B_4096.hbm"
USB = Address("192.168.137.100", "eth0", Kind.USB, dynamic=True)


class Programs:
    """Stands for the programs of the board: the answer to each by its first words."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.calls: list[list[str]] = []

    def __call__(self, words: list[Any], **options: Any) -> tools.Result:
        self.calls.append([str(word) for word in words])
        return tools.Result(0, self.answers.get(str(words[0]), ""), "")

    def find(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in {"stdbuf", *self.answers} else None


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """A board on which all is well."""
    made = Board(tmp_path)
    made.boots()
    runtime = "sdk/OpenExplorer_LLM_0.9.0/runtime"
    made.file(f"{runtime}/bin/xlm_demo", b"\x7fELF libc.so.6").chmod(0o755)
    (made.root / runtime / "lib").mkdir()
    _sized(made.file(f"{runtime}/model/{MODEL}", b""), 500 * MIB)
    config = f"{runtime}/config/DeepSeek_R1_Distill_Qwen_1.5B_config"
    made.file(f"{config}/tokenizer.json", "{}")
    made.file(f"{config}/DeepSeek_R1_Distill_Qwen_1.5B.jinja", "{{ messages }}")
    made.file("proc/meminfo", "MemTotal: 10000000 kB\nMemAvailable: 8000000 kB\nCmaTotal: 0 kB\n")
    made.file("etc/os-release", 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\n')
    made.file("etc/version", "4.0.2-Beta\n")
    made.file("dev/ion", "")
    made.file("dev/bpu_core0", "")
    made.file("sys/class/devfreq/bpu0/governor", "performance\n")
    made.pool_used("carveout", [])
    return made


def _sized(path: Path, size: int) -> Path:
    with path.open("r+b") as file:
        file.truncate(size)
    return path


def subject(board: Board, programs: Programs | None = None, **values: Any) -> Subject:
    programs = programs or Programs()
    settings = Settings(runtime_dir=board.root / "sdk/OpenExplorer_LLM_0.9.0/runtime", **values.pop("settings", {}))
    fields: dict[str, Any] = {
        "context": 4096, "model_type": 3, "profile": "xlm_demo", "user": "root", "root": board.root,
        "run": programs, "find": programs.find, "addresses": lambda: [USB], "hostname": "rdk",
    }  # fmt: skip
    return Subject(settings=settings, **{**fields, **values})


def findings(one: Subject) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(one)}


def test_a_board_that_is_well(board: Board) -> None:
    found = findings(subject(board))
    assert {name: one.said for name, one in found.items() if one.level > Level.FINE} == {}
    assert exit_code(found.values()) == 0
    assert found["board"].said == "D-Robotics RDK S100 V1P1"
    assert "Ubuntu 22.04.5 LTS, 4.0.2-Beta" in found["system"].said
    assert "500 MiB, context 4096" in found["model"].said
    assert "2 GiB in all, the model needs 500 MiB" in found["ion"].said
    assert "CmaTotal reads 0" in found["cma"].said
    assert re.search(r"http://192.168.137.100:8000/v1 +USB network", found["addresses"].said)
    assert "http://rdk.local:8000/v1" in found["addresses"].said
    assert "outbound" in found["windows"].said
    # With the sum and the blank line before it: one screen of thirty lines.
    assert sum(len(f"{one.said}\n{one.remedy}".strip().splitlines()) for one in found.values()) + 2 <= 30


def remove(path: str) -> Callable[[Board], object]:
    return lambda board: next((board.root / "sdk/OpenExplorer_LLM_0.9.0/runtime").glob(path)).unlink()


def model_of(size: int) -> Callable[[Board], object]:
    return lambda board: _sized(next(board.root.rglob("*.hbm")), size)


CASES: list[tuple[str, Callable[[Board], object], Level, str, str]] = [
    ("console", remove("bin/xlm_demo"), Level.BROKEN, "is not there", "BPU_CONSOLE"),
    (
        "console",
        lambda board: next(board.root.rglob("xlm_demo")).chmod(0o644),
        Level.BROKEN,
        "not be executed",
        "chmod +x",
    ),
    ("model", remove("model/*.hbm"), Level.BROKEN, "is not there", "BPU_HBM_PATH"),
    ("model", model_of(100), Level.BROKEN, "not copied whole", "Copy it"),
    ("tokenizer", remove("config/*/tokenizer.json"), Level.WARNING, "estimated", "Copy the tokenizer"),
    ("template", remove("config/*/*.jinja"), Level.BROKEN, "cannot be read", "BPU_TEMPLATE_PATH"),
    ("ion", model_of(3 * GIB), Level.BROKEN, "2 GiB in all, the model needs 3 GiB", "ion apply bpu_first"),
    ("ion", model_of(3 * GIB // 2), Level.WARNING, "the largest is 1 GiB, the model is 1.5 GiB", "ion apply"),
    (
        "holders",
        lambda board: board.pool_used("carveout", [("ros_node", 1, 1900 * MIB)]),
        Level.WARNING,
        "only 148 MiB is free",
        "reclaim",
    ),
    (
        "ram",
        lambda board: board.file("proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable: 600000 kB\n"),
        Level.WARNING,
        "Only 585.94 MiB free",
        "End other programs",
    ),
    (
        "performance",
        lambda board: board.file("sys/class/devfreq/bpu0/governor", "simple_ondemand\n"),
        Level.WARNING,
        "Not at full speed: bpu0",
        "perf on",
    ),
]


@pytest.mark.parametrize(("check", "break_it", "level", "said", "remedy"), CASES, ids=[f"{c[0]} {c[3]}" for c in CASES])
def test_what_is_not_well_is_said_with_its_remedy(
    board: Board, check: str, break_it: Callable[[Board], object], level: Level, said: str, remedy: str
) -> None:
    break_it(board)
    found = findings(subject(board))
    assert found[check].level is level, found[check]
    assert said in found[check].said
    assert remedy in found[check].remedy
    assert exit_code(found.values()) == level.value


def test_missing_libraries_are_named_as_the_loader_would(board: Board) -> None:
    programs = Programs(ldd="\tlibdnn.so => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n\tlibxlm.so => not found\n")
    found = findings(subject(board, programs))["libraries"]
    assert (found.level, found.said) == (Level.BROKEN, "The loader would miss: libdnn.so, libxlm.so")
    assert programs.calls[0][0] == "ldd"


def test_a_real_program_is_asked_with_the_real_ldd(board: Board) -> None:
    console = next(board.root.rglob("xlm_demo"))
    console.write_bytes(Path("/bin/sleep").read_bytes())
    found = findings(subject(board, run=tools.run, find=tools.find))
    assert found["libraries"].level is Level.FINE
    assert found["stdbuf"].level is Level.FINE


def test_a_program_for_another_processor_is_reported(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    console = next(board.root.rglob("xlm_demo"))
    console.write_bytes(b"\x7fELF" + bytes(14) + struct.pack("<H", 183) + b"libc.so.6")
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "pc", "6", "1", "x86_64")))
    assert "made for the board's processor" in findings(subject(board))["libraries"].said


@pytest.mark.parametrize(
    ("code", "level"), [(b"\x7fELF static", Level.WARNING), (b"\x7fELF libc.so.6 setvbuf", Level.NOTE)]
)
def test_a_console_that_stdbuf_cannot_help(board: Board, code: bytes, level: Level) -> None:
    next(board.root.rglob("xlm_demo")).write_bytes(code)
    assert findings(subject(board))["stdbuf"].level is level


def test_without_stdbuf_nothing_streams(board: Board) -> None:
    found = findings(subject(board, find=lambda name: None))["stdbuf"]
    assert (found.level, found.remedy) == (Level.BROKEN, "sudo apt install coreutils")


@pytest.mark.parametrize(
    ("folder", "number", "level"),
    [("0.9.0", 3, Level.FINE), ("0.9.0", 1, Level.WARNING), ("0.9.2", 1, Level.FINE), ("1.0.0", 3, Level.WARNING)],
)
def test_the_model_type_must_fit_the_sdk(board: Board, folder: str, number: int, level: Level) -> None:
    runtime = board.root / "sdk/OpenExplorer_LLM_0.9.0"
    runtime = runtime.rename(runtime.with_name(f"OpenExplorer_LLM_{folder}")) / "runtime"
    one = subject(board, model_type=number)
    one = Subject(**{**vars(one), "settings": Settings(runtime_dir=runtime)})
    found = findings(one)["model_type"]
    assert found.level is level
    assert level is Level.FINE or found.remedy.startswith("BPU_MODEL_TYPE=")


def test_a_context_larger_than_the_files_name_says(board: Board) -> None:
    assert "file's name says 4096" in findings(subject(board, context=8192))["model"].said


def test_devices_are_checked_for_the_services_user(board: Board) -> None:
    (board.root / "dev/ion").chmod(0o600)
    (board.root / "dev/bpu_core0").chmod(0o666)
    found = findings(subject(board, user="nobody"))["devices"]
    assert found.level is Level.BROKEN
    assert "nobody" in found.said
    assert "dev/ion" in found.said
    assert "bpu_core0" not in found.said
    assert may_use(board.root / "dev/ion", "root")
    assert not may_use(board.root / "dev/ion", "no such user")
    for path in (board.root / "dev").iterdir():
        path.unlink()
    assert "no BPU devices" in findings(subject(board))["devices"].said


def add_process(board: Board, pid: int, parent: int, name: str, command: str, exe: str = "/x") -> None:
    board.file(f"proc/{pid}/stat", f"{pid} ({name}) S {parent} {pid} {pid} 0 -1 4194304")
    board.file(f"proc/{pid}/comm", f"{name}\n")
    board.file(f"proc/{pid}/cmdline", command.replace(" ", "\0") + "\0")
    link = board.root / f"proc/{pid}/exe"
    link.symlink_to(exe)
    (board.root / f"proc/{pid}/fd").mkdir()


def test_holders_are_named_by_pid_user_and_parent(board: Board) -> None:
    add_process(board, 90, 1, "ros (2) node", "ros2 run vision")
    add_process(board, 1, 0, "systemd", "/sbin/init")
    board.pool_used("carveout", [("hbmem", 90, 300 * MIB), ("hbmem", 90, 20 * MIB), ("gone", 77, 1 * MIB)])
    board.pool_used("ion_cma", [("hbmem", 90, 8 * MIB)])
    found = holders(board.root)
    assert found is not None
    assert [(one.process.pid, dict(one.heaps)) for one in found] == [
        (90, {"carveout": 320 * MIB, "ion_cma": 8 * MIB}),
        (77, {"carveout": MIB}),
    ]
    shown = findings(subject(board))["holders"]
    assert shown.level is Level.NOTE
    assert "ros (2) node (pid 90, root, systemd 1): 328 MiB" in shown.said


def test_a_gateways_own_console_is_no_fault(board: Board) -> None:
    console = str(next(board.root.rglob("xlm_demo")))
    add_process(board, 50, 1, "python3", "python3 -S -m bpu.engine.keeper")
    add_process(board, 51, 50, "xlm_demo", console, exe=console)
    board.pool_used("carveout", [("xlm_demo", 51, 1900 * MIB)])
    found = findings(subject(board))
    assert found["holders"].level is Level.FINE
    assert "consoles" not in found


def test_a_console_left_open_in_a_terminal_is_reported(board: Board) -> None:
    console = str(next(board.root.rglob("xlm_demo")))
    add_process(board, 60, 1, "bash", "-bash")
    add_process(board, 61, 60, "xlm_demo", console, exe=console)
    found = findings(subject(board))["consoles"]
    assert found.level is Level.WARNING
    assert "xlm_demo (pid 61, root, bash 60)" in found.said


def test_what_only_root_may_see_is_said_so(board: Board) -> None:
    (board.root / "sys/kernel/debug/ion/heaps/carveout").unlink()
    found = findings(subject(board))["holders"]
    assert (found.level, found.remedy) == (Level.NOTE, translate("doctor.as_root"))
    assert found.remedy.startswith("sudo ")


TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = "   0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n"


@pytest.mark.parametrize(
    ("command", "level"), [("python3 -m http.server", Level.BROKEN), ("gunicorn wsgi:app", Level.FINE)]
)
def test_a_port_in_use_names_who_has_it(board: Board, command: str, level: Level) -> None:
    board.file("proc/net/tcp", TCP + ROW)
    assert findings(subject(board))["port"].level is Level.WARNING
    add_process(board, 70, 1, "python3", command)
    (board.root / "proc/70/fd/3").symlink_to("socket:[4711]")
    found = findings(subject(board))["port"]
    assert found.level is level
    assert "pid 70" in found.said


def test_a_gateway_of_another_user_is_asked_for(board: Board) -> None:
    board.file("proc/net/tcp", TCP + ROW)
    found = findings(subject(board, is_gateway=lambda port: port == 8000))["port"]
    assert (found.level, found.said) == (Level.FINE, translate("doctor.gateway_answers", port=8000))


def test_an_address_from_dhcp_comes_with_the_lines_that_fix_it(board: Board) -> None:
    programs = Programs(nmcli="GENERAL.CONNECTION:Wired connection 1\n")
    found = findings(subject(board, programs))["static"]
    assert found.level is Level.NOTE
    assert found.remedy.splitlines() == [
        'sudo nmcli connection modify "Wired connection 1" ipv4.method manual ipv4.addresses 192.168.137.100/24 '
        "ipv4.gateway 192.168.137.1",
        'sudo nmcli connection up "Wired connection 1"',
    ]
    fixed = Address("10.0.0.7", "eth1", Kind.WIRED, dynamic=False)
    assert "is fixed" in findings(subject(board, addresses=lambda: [fixed]))["static"].said


def test_a_wired_address_asks_the_system_for_gateway_and_prefix(board: Board) -> None:
    programs = Programs(ip="default via 10.0.0.1 proto dhcp\n2: eth1 inet 10.0.0.7/22 brd 10.0.3.255\n")
    wired = Address("10.0.0.7", "eth1", Kind.WIRED, dynamic=True)
    found = findings(subject(board, programs, addresses=lambda: [wired]))["static"]
    assert "ipv4.addresses 10.0.0.7/22 ipv4.gateway 10.0.0.1" in found.remedy


def test_the_boards_firewall_and_a_socket_file(board: Board) -> None:
    found = findings(subject(board, Programs(ufw="Status: active\n")))
    assert found["firewall"].remedy == "sudo ufw allow 8000/tcp"
    found = findings(subject(board, settings={"bind": "unix:/run/bpu.sock"}))
    assert "port" not in found
    assert "socket file only" in found["addresses"].said
    found = findings(subject(board, settings={"bind": "127.0.0.1:8000"}))
    assert (found["addresses"].remedy, found["addresses"].level) == ("BPU_BIND=0.0.0.0:8000", Level.NOTE)
    assert "has no address" in findings(subject(board, addresses=list, hostname="localhost"))["addresses"].said


def test_a_check_that_fails_is_a_finding_and_the_rest_goes_on(board: Board) -> None:
    def check_odd(one: Subject) -> Any:
        raise RuntimeError("odd")

    def check_well(one: Subject) -> Any:
        yield Finding("well", Level.FINE, "well")

    found = list(examine(subject(board), (check_odd, check_well)))
    assert [(one.check, one.level) for one in found] == [("odd", Level.WARNING), ("well", Level.FINE)]


def test_the_own_process_is_read_from_the_real_proc() -> None:
    me = process(os.getpid())
    assert me is not None
    assert me.parent_pid == os.getppid()
    assert me.pid in [one.pid for one in running(Path(me.exe))]
    assert process(2**22 + 1) is None
