"""A gateway is found in another network namespace: real mDNS over a wire, beside hostile neighbours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from bpu.board import tools
from tests.live.gateway import ROOT, command
from tests.support.waits import until

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(tools.find("ip") is None, reason="iproute2 is not installed"),
]

#: Registers what no gateway would say, then sends what no mDNS packet is, until its input ends.
HOSTILE = r"""
import os, random, socket, sys, threading
from zeroconf import ServiceInfo, Zeroconf
ip = sys.argv[1]
zeroconf = Zeroconf(interfaces=[ip])
kind = "_openai._tcp.local."
evil = {b"models": b"\x1b[2J\x1b]0;owned\x07" + b"m," * 100, b"version": b"\xff\xfe\x00" * 20}
for name, address, port in (("Evil \u202e\u009b31m", ip, 9), ("Public", "8.8.8.8", 80), ("Loop", "127.0.0.1", 8000)):
    told = {"addresses": [socket.inet_aton(address)], "properties": evil, "server": f"h{port}.local."}
    info = ServiceInfo(kind, f"{name}.{kind}", port=port, **told)
    zeroconf.register_service(info)
print("ready", flush=True)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
garbage = random.Random(1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(ip))
    for _ in range(20000):
        if ended.wait(0.002):
            break
        head = bytes([0, 0, 0x84, 0, 0, 0, 0, garbage.randrange(4), 0, 0, 0, garbage.randrange(4)])
        sock.sendto(head + garbage.randbytes(garbage.randrange(200)), ("224.0.0.251", 5353))
zeroconf.close()
"""


def ip(*words: str) -> None:
    result = tools.run(["ip", *words], timeout=20)
    assert result.ok, result.err


@pytest.fixture
def network() -> Iterator[tuple[str, str]]:
    """Two namespaces with a wire between them: 10.77.0.1 and 10.77.0.2."""
    names = tuple(f"bpu{os.getpid() % 10000}{end}" for end in "ab")
    with ExitStack() as stack:
        for name in names:
            ip("netns", "add", name)
            stack.callback(tools.run, ["ip", "netns", "del", name], timeout=20)
        ip("link", "add", "eth0", "netns", names[0], "type", "veth", "peer", "name", "eth0", "netns", names[1])
        for number, name in enumerate(names, 1):
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                ip("-n", name, "link", "set", link, "up")
        yield names[0], names[1]


def within(name: str) -> list[str]:
    return ["ip", "netns", "exec", name]


def scan(name: str, *words: str) -> Any:
    done = tools.run([*within(name), sys.executable, "-m", "bpu", "scan", *words], timeout=60, cwd=ROOT)
    assert done.ok, done.err
    return json.loads(done.out) if "--json" in words else done.out


@contextmanager
def neighbour(name: str, address: str) -> Iterator[None]:
    process = subprocess.Popen(
        [*within(name), sys.executable, "-c", HOSTILE, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.communicate(timeout=30)


def listening(namespace: str) -> bool:
    found = tools.run([*within(namespace), "curl", "-s", "http://127.0.0.1:8123/health"], timeout=20)
    return '"state":"ready"' in found.out.replace(" ", "")


@contextmanager
def gateway(folder: Path, namespace: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BPU_")}
    settings = {
        "BPU_BIND": "0.0.0.0:8123",
        "BPU_ENGINE": "simulator",
        "BPU_CONSOLE_ARGS": "--speed max --load-seconds 0",
        "BPU_STATE_DIR": str(folder),
        "BPU_WORKERS": "1",
        "BPU_ANNOUNCE": "1",
        **env,
    }
    words = [*within(namespace), sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=ROOT, env={**kept, **settings}, stdout=log, stderr=log)
    try:
        until(lambda: listening(namespace), what=str(folder / "log"), seconds=120, every=0.5)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def announcers() -> list[str]:
    lines = (" ".join(command(process)) for process in psutil.process_iter())
    return [line for line in lines if "bpu.discovery.announcer" in line and "8123" in line]


def test_a_gateway_is_found_from_another_namespace_and_goes_with_a_goodbye(
    network: tuple[str, str], tmp_path: Path
) -> None:
    board, desk = network
    with neighbour(desk, "10.77.0.2"), gateway(tmp_path, board):
        found: list[dict[str, Any]] = []

        def is_found() -> bool:
            found[:] = scan(desk, "--json", "--seconds", "2")
            return any(one["address"] == "http://10.77.0.1:8123" for one in found)

        until(is_found, seconds=60)
        (one,) = (one for one in found if one["address"] == "http://10.77.0.1:8123")
        assert one["models"][0] == "deepseek-r1:1.5b"
        assert (one["state"], one["busy"], one["waiting"], one["simulated"]) == ("ready", False, 0, True)
        assert not one["needs_key"]
        assert one["name"].startswith("RDK BPU Gateway")
        strangers = [other for other in found if other != one]
        assert {other["address"] for other in strangers} <= {"http://10.77.0.2:9"}
        shown = scan(desk, "--seconds", "2")
        assert "http://10.77.0.1:8123" in shown
        assert "\x1b" not in shown
        assert all(char.isprintable() for char in shown.replace("\n", ""))
    assert announcers() == []
    assert "http://10.77.0.1:8123" not in scan(desk, "--seconds", "1")


def test_with_keys_the_models_stay_unknown_and_without_announcement_nothing_is_found(
    network: tuple[str, str], tmp_path: Path
) -> None:
    board, desk = network
    folders = [tmp_path / "with", tmp_path / "without"]
    for folder in folders:
        folder.mkdir()
    with gateway(folders[0], board, BPU_API_KEYS="secret"):
        until(lambda: "10.77.0.1" in scan(desk, "--seconds", "2"), seconds=60)
        (one,) = scan(desk, "--json", "--seconds", "2")
        assert (one["needs_key"], one["models"], one["state"]) == (True, [], "ready")
        assert "secret" not in str(announcers())
    with gateway(folders[1], board, BPU_ANNOUNCE="auto"):
        assert announcers() == []
        assert scan(desk, "--json", "--seconds", "1") == []
