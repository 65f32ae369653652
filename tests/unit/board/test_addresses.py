"""Which addresses are found, in which order, and what is said about them."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from bpu.board import addresses
from bpu.board.addresses import Address, Kind, busy_ports
from bpu.board.tools import Result, ToolMissing
from bpu.settings import load_settings

LAN = Address("192.168.1.20", "eth0", Kind.WIRED)
USB = Address("192.168.137.100", "eth1", Kind.USB)
DOCKER = Address("172.17.0.1", "docker0", Kind.CONTAINER)


def link(name: str, ip: str, **more: object) -> dict[str, object]:
    info = {"family": "inet", "local": ip, "scope": "host" if name == "lo" else "global", **more}
    return {"ifname": name, "operstate": "UP", "addr_info": [info, {"family": "inet6", "local": "fe80::1"}]}


def test_every_lan_address_is_found_and_the_best_comes_first(tmp_path: Path) -> None:
    links = [
        link("lo", "127.0.0.1"),
        link("docker0", "172.17.0.1"),
        link("wlan0", "192.168.1.30", dynamic=True),
        link("tailscale0", "100.64.0.9"),
        link("eth0", "192.168.1.20"),
        link("eth1", "192.168.137.100"),
        {**link("eth2", "10.9.9.9"), "operstate": "DOWN"},
    ]
    found = addresses.local_addresses(lambda argv, timeout: Result(0, json.dumps(links), ""), sysfs=tmp_path)
    assert [(a.ip, a.kind, a.dynamic) for a in found] == [
        ("192.168.137.100", Kind.USB, False),
        ("192.168.1.20", Kind.WIRED, False),
        ("192.168.1.30", Kind.WIFI, True),
        ("100.64.0.9", Kind.TUNNEL, False),
        ("172.17.0.1", Kind.CONTAINER, False),
    ]


@pytest.mark.parametrize(
    ("ip", "interface", "kind"),
    [
        ("192.168.137.2", "enx00e04c", Kind.USB),
        ("192.168.128.10", "usb0", Kind.USB),
        ("10.0.0.2", "enp3s0", Kind.WIRED),
        ("10.0.0.2", "br0", Kind.WIRED),
        ("10.0.0.2", "wlp2s0", Kind.WIFI),
        ("10.0.0.2", "wg0", Kind.TUNNEL),
        ("172.18.0.1", "br-0123456789ab", Kind.CONTAINER),
    ],
)
def test_kinds_by_network_and_name(ip: str, interface: str, kind: Kind, tmp_path: Path) -> None:
    assert addresses.kind_of(ip, interface, tmp_path) is kind


def test_the_kernel_knows_a_wireless_link_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "net0" / "phy80211").mkdir(parents=True)
    assert addresses.kind_of("10.0.0.2", "net0", tmp_path) is Kind.WIFI


FIB_TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
     +-- 192.168.137.0/24 2 0 2
           |-- 192.168.137.0
              /24 link UNICAST
           |-- 192.168.137.100
              /32 host LOCAL
        |-- 192.168.137.255
           /32 link BROADCAST
           |-- 10.1.2.3
              /32 host LOCAL
Local:
           |-- 192.168.137.100
              /32 host LOCAL
"""
ROUTE = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
usb0	0089A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""


def test_without_iproute2_the_kernel_is_asked(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(FIB_TRIE)
    (tmp_path / "route").write_text(ROUTE)

    def run(argv: list[str], timeout: float) -> Result:
        raise ToolMissing("ip")

    assert addresses.local_addresses(run, proc=tmp_path, sysfs=tmp_path) == [
        Address("192.168.137.100", "usb0", Kind.USB),
        Address("10.1.2.3", "eth0", Kind.WIRED),
    ]
    assert addresses.local_addresses(run, proc=tmp_path / "nowhere") == []


def test_both_ways_agree_on_this_machine() -> None:
    def unable(argv: list[str], timeout: float) -> Result:
        raise ToolMissing("ip")

    asked = {(a.ip, a.interface) for a in addresses.local_addresses()}
    read = {(a.ip, a.interface) for a in addresses.local_addresses(unable)}
    assert asked <= read


@pytest.mark.parametrize(
    ("bind", "urls"),
    [
        (
            "0.0.0.0:8000",
            [
                "http://192.168.137.100:8000",
                "http://192.168.1.20:8000",
                "http://rdk.local:8000",
                "http://localhost:8000",
            ],
        ),
        (
            "[::]:80",
            ["http://192.168.137.100:80", "http://192.168.1.20:80", "http://rdk.local:80", "http://localhost:80"],
        ),
        ("127.0.0.1:9000", ["http://127.0.0.1:9000"]),
        ("192.168.1.20:9000", ["http://192.168.1.20:9000"]),
        ("[fd00::2]:9000", ["http://[fd00::2]:9000"]),
        ("unix:/run/bpu/http.sock", []),
        (
            "127.0.0.1:80,192.168.1.20:80,unix:/run/bpu/http.sock",
            ["http://192.168.1.20:80", "http://127.0.0.1:80"],
        ),
    ],
)
def test_urls_follow_what_the_server_listens_on(bind: str, urls: list[str]) -> None:
    assert [url for url, _ in addresses.reachable(bind, [USB, LAN, DOCKER], "rdk.lan")] == urls


def test_the_announcement_says_who_answers_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    said: list[str] = []
    settings = load_settings(bind="0.0.0.0:8000")
    addresses.print_addresses(settings, simulated=True, write=said.append, find=lambda: [USB, LAN])
    [text] = said
    assert "SIMULATOR" in text
    assert text.index("http://192.168.137.100:8000/v1") < text.index("http://192.168.1.20:8000/v1")
    assert "http://localhost:8000/v1" in text
    board = addresses.address_text(settings, simulated=False, found=[LAN], hostname="localhost")
    assert "board's BPU" in board
    assert "SIMULATOR" not in board
    assert ".local:" not in board


def test_an_address_that_is_served_with_a_key_only_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    public = Address("203.0.113.7", "eth0", Kind.WIRED)
    text = addresses.address_text(
        load_settings(), simulated=False, found=[LAN, public], hostname="", serves=lambda ip: ip != public.ip
    )
    [closed] = [line for line in text.splitlines() if "BPU_API_KEYS" in line]
    assert public.ip in closed


def test_a_unix_socket_has_no_address_to_give() -> None:
    settings = load_settings(bind="unix:/run/bpu/http.sock")
    text = addresses.address_text(settings, simulated=False, found=[LAN], hostname="rdk")
    assert "unix:/run/bpu/http.sock" in text
    assert "http://" not in text


def test_standard_output_that_knows_only_ascii_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")

    class Ascii:
        encoding = "ascii"
        text = ""

        def write(self, text: str) -> None:
            text.encode("ascii")
            self.text += text

        def flush(self) -> None: ...

    ascii_only = Ascii()
    monkeypatch.setattr("sys.stdout", ascii_only)
    addresses.print_addresses(load_settings(bind="0.0.0.0:8000"), simulated=True, find=lambda: [LAN])
    assert "http://192.168.1.20:8000/v1" in ascii_only.text


def test_busy_ports_are_distinguished_from_free_ones() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        assert busy_ports(f"127.0.0.1:{port},unix:/tmp/x.sock,fd://3") == [f"127.0.0.1:{port}"]
        assert busy_ports(f"0.0.0.0:{port}") == [f"0.0.0.0:{port}"]
    assert busy_ports(f"127.0.0.1:{port}") == []
