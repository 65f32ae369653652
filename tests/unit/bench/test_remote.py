"""What `--url` may be."""

from __future__ import annotations

import pytest

from bpu.bench.client import Address
from bpu.bench.remote import address_of
from bpu.errors import BadRequest


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://192.168.127.10:8000", ("192.168.127.10", 8000)),
        ("http://192.168.127.10:8000/v1", ("192.168.127.10", 8000)),
        ("http://board", ("board", 80)),
        ("board:8000", ("board", 8000)),
        ("http://[::1]:8000/", ("::1", 8000)),
    ],
)
def test_an_address_is_host_and_port(url: str, address: Address) -> None:
    assert address_of(url) == address


@pytest.mark.parametrize("url", ["https://board:8000", "ftp://board", "http://", "http://board:port", ""])
def test_another_address_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    with pytest.raises(BadRequest, match="http://HOST:PORT"):
        address_of(url)
