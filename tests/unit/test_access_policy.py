"""The rules of who may come in, as pure functions of strings."""

from __future__ import annotations

import errno
import hmac
import os
import socket
from pathlib import Path

import pytest

from bpu.access_policy import Access, access, host_name, is_private_client, serves_networks
from bpu.errors import SettingsError
from bpu.settings import load_settings

NEAR = (
    *("", "127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.128.10"),
    *("169.254.3.4", "fe80::1", "fe80::1%usb0", "100.64.0.1", "100.127.255.255", "fd00::7", "::ffff:192.168.1.2"),
)
FAR = (
    *("8.8.8.8", "172.15.0.1", "172.32.0.1", "192.169.0.1", "100.63.255.255", "100.128.0.1", "2001:db8::1"),
    *("::ffff:8.8.8.8", "::", "0.0.0.0", "not an address", "127.0.0.1.evil.example", "::ffff:0:127.0.0.1"),
)


@pytest.mark.parametrize("client", NEAR)
def test_this_machine_and_private_networks_are_near(client: str) -> None:
    assert is_private_client(client)


@pytest.mark.parametrize("client", FAR)
def test_everybody_else_is_far(client: str) -> None:
    assert not is_private_client(client)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Board.Local:8000", "board.local"),
        ("[fe80::1]:8000", "fe80::1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        (" 10.0.0.1:80 ", "10.0.0.1"),
        ("board.", "board"),
    ],
)
def test_the_name_in_a_host_header(host: str, name: str) -> None:
    assert host_name(host) == name


def test_12_hosts_that_name_this_machine_and_hosts_that_do_not() -> None:
    rules = access(load_settings(engine="simulator", allowed_hosts="chat.example.org, box:8000"))
    for host in ("localhost:8000", "x.localhost", "board.local", "10.0.0.5:8000", "[fe80::1]:8000", "CHAT.example.org"):
        assert rules.accepts_host(host), host
    for host in (
        "evil.example",
        "chat.example.org.evil",
        "localhost.evil",
        "evil-local.example",
        "lan.example",
        "evilfritz.box",
        "home.arpa.example",
        "10.0.0.5.nip.example",
    ):
        assert not rules.accepts_host(host), host
    assert rules.accepts_host("box")


LOCAL = (
    *("bpu", "bpu:8000", "board.local", "host.docker.internal:8000", "board.lan", "board.home", "board.home.arpa"),
    *("localhost.localdomain", "board.fritz.box", "Board.LAN."),
)


@pytest.mark.parametrize(
    ("bind", "fits"),
    [
        *[("0.0.0.0:8000", True), ("[::]:8000", True), ("127.0.0.1:8000,192.168.7.2:8000", True)],
        *[("127.0.0.1:8000,unix:/run/bpu.sock", True), ("unix:/run/bpu.sock", True), ("fd://3", True)],
        *[("127.0.0.1:8000", False), ("localhost:8000, [::1]:8000", False)],
    ],
)
def test_12_names_that_nobody_can_register_fit_unless_the_gateway_is_on_loopback_alone(bind: str, fits: bool) -> None:
    rules = access(load_settings(engine="simulator", bind=bind, allowed_hosts="chat.example.org"))
    for host in LOCAL:
        assert rules.accepts_host(host) is fits, host
    for host in ("localhost", "x.localhost:8000", socket.gethostname(), "127.0.0.1", "[::1]:8000", "chat.example.org"):
        assert rules.accepts_host(host), host
    assert not rules.accepts_host("evil.example")


@pytest.mark.parametrize("bind", ["0.0.0.0:8000", "127.0.0.1:8000"])
@pytest.mark.parametrize(
    "host",
    [
        *("[::1].evil.com", "[::1].evil.com:8000", "[::1]evil.com", "[::1", "::1]", "[localhost]", "[127.0.0.1]x"),
        *("1.2.3.4%evil.com", "127.0.0.1%1", "::1%evil.com", "[::1%evil.com]:80", "[fe80::1%evil.com]"),
        *("localhost:evil.com", "127.0.0.1:80:evil.com", "127.0.0.1:8000.evil.com", "evil.com%.local", "a..local"),
        *("localhost@evil.com", "evil.com/.local", ".localhost", "a b", "[evil.com].local", "localhost:80:80"),
    ],
)
def test_12_a_host_that_only_begins_like_one_of_this_machine_is_refused(bind: str, host: str) -> None:
    assert not access(load_settings(engine="simulator", bind=bind)).accepts_host(host)


@pytest.mark.parametrize("host", ["[fe80::1%usb0]:8000", "[fe80::1%25usb0]", "[::1]:", "[::ffff:10.0.0.1]", "::1"])
def test_12_addresses_in_every_spelling_are_served(host: str) -> None:
    assert access(load_settings(engine="simulator")).accepts_host(host)


def test_a_gateway_on_loopback_behind_a_trusted_proxy_takes_the_names_of_its_network() -> None:
    rules = access(load_settings(engine="simulator", bind="127.0.0.1:8000", trusted_proxies="127.0.0.1"))
    assert rules.accepts_host("board.lan")
    assert not rules.accepts_host("evil.example")


def test_any_of_several_keys_fits_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# the kitchen\nthree\n\n  vier-ä  \n", encoding="utf-8")
    rules = access(load_settings(engine="simulator", api_keys="one,two", api_keys_file=file))
    assert rules.needs_key
    for key in ("one", "two", "three", "vier-ä".encode().decode("latin-1")):
        assert rules.accepts_key(["", key]), key
    for given in (["", "on"], ["oneone"], ["one,two"], [""], [], ["# the kitchen"], ["vier-ä"]):
        assert not rules.accepts_key(given), given


def test_every_key_is_compared_whole_whichever_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time tells nothing: no key is left out once one has fitted, and all that is compared has one length."""
    rules = access(load_settings(engine="simulator", api_keys="one,a-much-longer-key"))
    compared: list[tuple[int, int]] = []
    whole = hmac.compare_digest

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return whole(a, b)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for given in ("one", "a-much-longer-key", "", "o"):
        compared.clear()
        rules.accepts_key([given, "wrong"])
        assert compared == [(32, 32)] * 4


def test_without_keys_none_is_needed() -> None:
    assert not access(load_settings(engine="simulator")).needs_key


@pytest.mark.parametrize("content", ["", "# nothing\n\n"])
def test_a_file_without_a_key_is_a_mistake(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys"
    file.write_text(content)
    with pytest.raises(SettingsError, match=r"BPU_API_KEYS_FILE: .* holds no key"):
        access(load_settings(engine="simulator", api_keys_file=file))


def test_a_file_of_keys_that_is_no_text_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"BPU_API_KEYS_FILE: .* cannot be read"):
        access(load_settings(engine="simulator", api_keys_file=file))


def test_keys_that_only_root_may_read_stop_no_command_but_those_that_need_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file has mode 0600, and the settings name it to every user: `bpu status` and `doctor` must work."""

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    file = tmp_path / "keys"
    file.write_text("k\n")
    monkeypatch.setattr(os, "access", lambda *words: False)
    monkeypatch.setattr(Path, "read_text", refuse)
    settings = load_settings(engine="simulator", api_keys_file=file)
    assert serves_networks(settings)("8.8.8.8"), "a gateway with keys"
    with pytest.raises(SettingsError, match="with sudo"):
        access(settings)


def test_a_trusted_proxy_is_a_network_or_the_unix_socket() -> None:
    with pytest.raises(SettingsError, match=r"BPU_TRUSTED_PROXIES: .*proxy.example is none"):
        load_settings(engine="simulator", trusted_proxies="10.0.0.0/8, proxy.example")
    rules = access(load_settings(engine="simulator", trusted_proxies="10.0.0.0/8, unix, ::1"))
    assert [rules.trusts(peer) for peer in ("10.9.9.9", "", "::1", "::ffff:10.0.0.1", "11.0.0.1", "x")] == [
        *(True, True, True, True, False, False)
    ]
    assert not Access().trusts("")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", "8.8.8.8", "8.8.8.8"),
        ("10.0.0.1", "1.1.1.1, 8.8.8.8", "8.8.8.8"),
        ("10.0.0.1", "8.8.8.8, 10.0.0.2", "8.8.8.8"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", " , ", "10.0.0.1"),
        ("8.8.8.8", "127.0.0.1", "8.8.8.8"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.0.0.1", "unknown", "unknown"),
    ],
)
def test_the_client_is_the_last_stranger_that_a_trusted_proxy_names(peer: str, forwarded: str, client: str) -> None:
    rules = access(load_settings(engine="simulator", trusted_proxies="10.0.0.0/8"))
    assert rules.client(peer, forwarded) == client
