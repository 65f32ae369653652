"""What is announced of a gateway, and whether; the files that Avahi reads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bpu import __version__
from bpu.board import tools
from bpu.board.addresses import Address, Kind
from bpu.cli import main
from bpu.discovery import announcer_process
from bpu.discovery.announcement import (
    MAX_NAME,
    MAX_TXT,
    Announcement,
    announcement,
    avahi_file,
    instance_name,
    is_private,
    is_wanted,
    txt_record,
)
from bpu.settings import Settings
from tests.support.waits import until

USB = Address("192.168.137.100", "usb0", Kind.USB)
WIFI = Address("10.0.0.5", "wlan0", Kind.WIFI)
PUBLIC = Address("93.184.216.34", "eth0", Kind.WIRED)
MODELS = ["deepseek-r1:1.5b"]
#: Addresses of `BPU_BIND` that no private network reaches.
BEYOND_REACH = ("127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/x", "93.184.216.34:80", "[2606:4700::1]:80")
DOCKER = Address("172.17.0.1", "docker0", Kind.CONTAINER)


@pytest.mark.parametrize(
    ("bind", "hosts", "port"),
    [
        ("0.0.0.0:8000", ("192.168.137.100", "10.0.0.5"), 8000),
        ("[::]:81", ("192.168.137.100", "10.0.0.5"), 81),
        ("10.0.0.5:80", ("10.0.0.5",), 80),
        ("unix:/run/x:1,10.0.0.5:80", ("10.0.0.5",), 80),
    ],
)
def test_private_addresses_alone_are_announced(bind: str, hosts: tuple[str, ...], port: int) -> None:
    found = announcement(bind, {"version": "1"}, [USB, WIFI, PUBLIC, DOCKER], "rdk.example.com")
    assert found == Announcement("RDK BPU Gateway rdk", port, hosts, {"version": "1"})


@pytest.mark.parametrize(
    "bind", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "unix:/run/bpu.sock", "93.184.216.34:80", "172.17.0.1:1"]
)
def test_what_no_machine_of_the_network_reaches_is_not_announced(bind: str) -> None:
    assert announcement(bind, {}, [USB, PUBLIC, DOCKER], "rdk") is None


def test_with_keys_nothing_is_said_of_the_models(tmp_path: Path) -> None:
    assert txt_record(Settings(), MODELS) == {"version": __version__, "auth": "none", "models": "deepseek-r1:1.5b"}
    keys = tmp_path / "keys"
    keys.write_text("k")
    for settings in (Settings(api_keys="k"), Settings(api_keys_file=keys)):
        assert txt_record(settings, MODELS) == {"version": __version__, "auth": "key"}
        assert "deepseek" not in (avahi_file(settings, MODELS) or "")


@pytest.mark.parametrize(
    ("announce", "is_service", "wanted"),
    [("auto", True, True), ("auto", False, False), ("0", True, False), ("1", False, True)],
)
def test_auto_means_as_a_service(announce: Any, is_service: bool, wanted: bool) -> None:
    assert is_wanted(Settings(announce=announce), is_service=is_service) is wanted


ONE_WORD = st.text(min_size=1, max_size=400).filter(lambda text: text.split() == [text])


@given(st.text(max_size=200), ONE_WORD, st.lists(ONE_WORD, max_size=4))
def test_names_and_records_keep_their_limits(hostname: str, model: str, others: list[str]) -> None:
    assert len(instance_name(hostname).encode()) <= MAX_NAME
    for name, value in txt_record(Settings(), [model, *others]).items():
        assert len(f"{name}={value}".encode()) <= MAX_TXT
        assert value.isprintable()
    text = avahi_file(Settings(), [model, *others])
    assert text is not None
    ElementTree.fromstring(text)


def test_all_models_are_named_that_fit() -> None:
    def named(*models: str) -> str:
        return txt_record(Settings(), models)["models"]

    assert named("a", "b", "c") == "a,b,c"
    assert named("a", "b" * 300, "c") == "a"
    assert len(named("a" * 300, "b")) == MAX_TXT - len("models=")


@pytest.mark.parametrize("bind", ["0.0.0.0:1", "[::]:1", "10.0.0.5:1", "[fd00::5]:1", "rdk:1"])
def test_avahi_announces_what_a_private_network_may_reach(bind: str) -> None:
    assert "<port>1</port>" in (avahi_file(Settings(bind=bind), MODELS) or "")


def test_avahi_s_file_names_both_services() -> None:
    text = avahi_file(Settings(bind="127.0.0.1:1,0.0.0.0:8123"), ["a<b&c", "d"])
    assert text is not None
    root = ElementTree.fromstring(text)
    services = {found.findtext("type"): found for found in root.findall("service")}
    assert set(services) == {"_openai._tcp", "_http._tcp"}
    records = [record.text for record in services["_openai._tcp"].findall("txt-record")]
    assert records == ["path=/v1", f"version={__version__}", "auth=none", "models=a<b&c,d"]
    assert services["_http._tcp"].findtext("port") == "8123"
    assert [avahi_file(Settings(bind=bind), MODELS) for bind in BEYOND_REACH] == [None] * len(BEYOND_REACH)
    assert avahi_file(Settings(announce="0"), MODELS) is None


@pytest.mark.parametrize(
    ("ip", "private"),
    [
        ("192.168.1.1", True),
        ("169.254.1.1", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("0.0.0.1", False),
        ("198.18.0.1", False),
        ("100.64.0.1", True),
        ("fe80::1", False),
        ("8.8.8.8", False),
        ("239.1.1.1", False),
        ("x", False),
    ],
)
def test_what_counts_as_private(ip: str, private: bool) -> None:
    assert is_private(ip) is private


def service(*words: str, env: dict[str, str] | None = None) -> str:
    result = CliRunner().invoke(main, ["service", *words], env=env)
    assert result.exit_code == 0, result.output
    return result.output


def test_avahi_s_file_comes_with_the_service_and_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPU_ENGINE", "simulator")
    root = ["--root", str(tmp_path)]
    file = tmp_path / "etc/avahi/services/bpu-gateway.service"
    service("install", *root)
    assert not file.exists()
    file.parent.mkdir(parents=True)
    service("install", *root, "--dry-run")
    assert not file.exists()
    service("install", *root)
    assert file.read_text() == avahi_file(Settings(), MODELS)
    service("install", *root, env={"BPU_ANNOUNCE": "0"})
    assert not file.exists()
    service("install", *root)
    service("remove", *root)
    assert not file.exists()


def test_a_file_of_avahi_that_says_something_else_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "bpu-gateway.service"
    monkeypatch.setattr(announcer_process, "AVAHI_FILE", file)
    assert not announcer_process.is_stale(Settings(), MODELS)
    file.write_text(avahi_file(Settings(), MODELS) or "")
    assert not announcer_process.is_stale(Settings(), MODELS)
    assert announcer_process.is_stale(Settings(api_keys="k"), MODELS)
    assert announcer_process.is_stale(Settings(announce="0"), MODELS)


def test_the_announcer_is_started_for_a_service_and_not_where_avahi_announces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    def start(argv: list[str], cwd: Path) -> int:
        started.append(argv)
        return 7

    monkeypatch.setattr(tools, "start", start)
    as_service = {"NOTIFY_SOCKET": "/run/systemd/notify"}
    assert announcer_process.start(Settings(), MODELS, {}) is None
    assert announcer_process.start(Settings(bind="127.0.0.1:1"), MODELS, as_service) is None
    assert announcer_process.start(Settings(api_keys="secret"), MODELS, as_service) == 7
    assert "secret" not in str(started)
    assert json.loads(started[0][-1])["txt"]["auth"] == "key"
    for name in ("AVAHI_FILE", "AVAHI_SOCKET"):
        path = tmp_path / name
        path.touch()
        monkeypatch.setattr(announcer_process, name, path)
    assert announcer_process.start(Settings(), MODELS, as_service) is None


@pytest.mark.parametrize("how", ["stop", "orphan"])
def test_the_announcer_ends_with_its_master(tmp_path: Path, how: str) -> None:
    """On loopback alone, so that no network hears of it."""
    given = {"bind": "127.0.0.1:8000", "txt": {}}
    script = (
        "import json, os, sys; from bpu.board import tools\n"
        "given = json.dumps({**json.loads(sys.argv[1]), 'parent': os.getpid()})\n"
        "print(tools.start([sys.executable, '-m', 'bpu.discovery.announcer', given]), flush=True)\n"
    )
    if how == "stop":
        pid = tools.start(
            [sys.executable, "-m", "bpu.discovery.announcer", json.dumps({**given, "parent": os.getpid()})]
        )
        until(lambda: "announcer" in Path(f"/proc/{pid}/cmdline").read_text())
        announcer_process.stop(pid)
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, 0)
        return
    pid = int(tools.run([sys.executable, "-c", script, json.dumps(given)], timeout=30).out)
    try:
        until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])
    finally:
        if Path(f"/proc/{pid}/cmdline").exists() and "announcer" in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)


#: Logs more than any pipe takes, as a network that comes and goes makes it do.
WORDY = """
from bpu.discovery import announcer

def refresh(self):
    print("up", flush=True)
    for _ in range(200):
        announcer.log.warning("x" * 9000)

announcer.Announcer.refresh = refresh
announcer.main()
"""


def test_3_a_log_whose_reader_is_paused_keeps_no_announcer_from_its_end() -> None:
    arguments = json.dumps({"bind": "127.0.0.1:1", "txt": {}, "parent": os.getpid()})
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", WORDY, arguments], stdout=subprocess.PIPE, stderr=writing, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
        os.close(reading)
        os.close(writing)
