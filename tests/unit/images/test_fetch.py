"""Fetching an image: which addresses are allowed, at each hop, and the limits. The servers are real."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bpu.images.data import ImageData
from bpu.images.decode import BadImage
from bpu.images.fetch import MAX_BYTES, fetch, is_global
from bpu.images.reader import ImageReader, Picture, Source
from tests.support.pictures import RED, stripes

PICTURE = stripes(RED)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        paths: list[str] = self.server.paths  # type: ignore[attr-defined]
        paths.append(self.path)
        kind, _, rest = self.path[1:].partition("/")
        if kind == "to":
            self._answer(302, b"", {"Location": rest})
        elif kind == "raw":
            self._answer(302, b"", {"Location": unquote(rest, encoding="latin-1")})
        elif kind == "large":
            self._answer(200, bytes(MAX_BYTES + 1), {"Content-Type": "image/png"})
        elif kind == "page":
            self._answer(200, b"<html>", {"Content-Type": "text/html"})
        elif kind == "missing":
            self._answer(404, b"", {})
        elif kind == "drip":
            with suppress(OSError):
                self._drip()
        elif kind == "slow":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.server.slow.wait(20)  # type: ignore[attr-defined]
        else:
            self._answer(200, PICTURE, {"Content-Type": "image/png"})

    def _drip(self) -> None:
        """Send a head that never ends, a line at a time."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(200):
            self.wfile.write(b"X-More: yes\r\n")
            if self.server.slow.wait(0.05):  # type: ignore[attr-defined]
                return

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class has this name
        """Log nothing."""


@contextmanager
def serving(secure: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str]]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    if secure is not None:
        server.socket = secure.wrap_socket(server.socket, server_side=True)
    server.paths, server.slow = [], threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", server.paths  # type: ignore[attr-defined]
    finally:
        server.slow.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_listed_host_may_be_private() -> None:
    with serving() as (host, _):
        assert fetch(f"http://{host}/cat.png", [host]) == PICTURE
        assert fetch(f"http://{host}/cat.png?size=2", ["127.0.0.1"]) == PICTURE


@pytest.mark.parametrize("allowed", [[], ["public"], ["127.0.0.1:1"], ["camera.local"]])
def test_no_connection_goes_where_none_is_allowed(allowed: list[str]) -> None:
    with serving() as (host, paths):
        with pytest.raises(BadImage):
            fetch(f"http://{host}/cat.png", allowed)
        assert paths == []


def test_a_name_is_resolved_once_and_its_address_checked() -> None:
    """A second answer of the name server, which would lead to this machine, is never asked for."""
    answers = [[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 80))]]

    def resolve(*_: Any, **__: Any) -> list[Any]:
        return answers.pop(0)

    with pytest.raises(BadImage, match=r"not on the public internet"):
        fetch("http://rebinding.example/x", ["public"], resolve=resolve)
    assert answers == []


def test_a_name_with_one_private_address_is_refused() -> None:
    def resolve(*_: Any, **__: Any) -> list[Any]:
        addresses = ("93.184.215.14", "192.168.1.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 80)) for one in addresses]

    with pytest.raises(BadImage, match="not on the public internet"):
        fetch("http://mixed.example/x", ["public"], resolve=resolve)


def test_a_host_with_the_name_public_is_not_listed_by_the_word_public() -> None:
    with serving() as (host, paths):
        port = int(host.partition(":")[2])

        def resolve(*_: Any, **__: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        with pytest.raises(BadImage, match="not on the public internet"):
            fetch(f"http://public:{port}/cat.png", ["public"], resolve=resolve)
        assert paths == []


def test_a_redirect_is_followed_and_checked_like_the_first_address() -> None:
    with serving() as (host, paths), serving() as (other, visited):
        assert fetch(f"http://{host}/to/http://{host}/cat.png", [host]) == PICTURE
        with pytest.raises(BadImage, match="fetches no images from"):
            fetch(f"http://{host}/to/http://{other}/cat.png", [host])
        for target in ("file:///etc/passwd", "ftp://127.0.0.1/x", "http://me:secret@127.0.0.1/x"):
            with pytest.raises(BadImage):
                fetch(f"http://{host}/to/{target}", [host])
        assert visited == []
        assert len(paths) == 6


@pytest.mark.parametrize("hop", ["", "raw//"])
def test_blanks_and_characters_beyond_ascii_are_encoded(hop: str) -> None:
    with serving() as (host, paths):
        assert fetch(f"http://{host}/{hop}门 口/%41.png?日=1&b=2", [host]) == PICTURE
    assert paths[-1].replace("%41", "A") == "/%E9%97%A8%20%E5%8F%A3/A.png?%E6%97%A5=1&b=2"


def test_three_redirects_are_followed_and_no_more() -> None:
    with serving() as (host, paths):
        loop = f"http://{host}/" + f"to/http://{host}/" * 3
        assert fetch(f"{loop}cat.png", [host]) == PICTURE
        with pytest.raises(BadImage, match="more than 3 times"):
            fetch(f"http://{host}/to/http://{host}/{loop.removeprefix(f'http://{host}/')}cat.png", [host])
        assert len(paths) == 4 + 4


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("large/x", "more than"),
        ("page/x", "no image"),
        ("missing/x", "answered 404"),
        ("slow/x", "too long"),
        ("drip/slow", "too long"),
        ("to/http://[::1", "could not be fetched"),
    ],
)
def test_what_is_no_image_or_beyond_a_limit_is_refused(path: str, message: str) -> None:
    with serving() as (host, _), pytest.raises(BadImage, match=message):
        fetch(f"http://{host}/{path}", [host], limit_s=1.0 if "slow" in path else 10.0)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"),
        *("::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "fec0::1"),
        *("2002:7f00:1::", "not an address", ""),
    ],
)
def test_addresses_that_are_not_global(address: str) -> None:
    assert not is_global(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111"])
def test_addresses_that_are_global(address: str) -> None:
    assert is_global(address)


def _certificate(folder: Path) -> Path:
    """Make a certificate for `localhost` that a machine may trust; its key stands in the same file."""
    file = folder / "localhost.pem"
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(
        ["openssl", *command.split(), "-keyout", folder / "key", "-out", folder / "cert"],
        check=True,
        capture_output=True,
    )
    file.write_bytes((folder / "key").read_bytes() + (folder / "cert").read_bytes())
    return file


def test_over_tls_the_certificate_must_be_trusted_and_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(context) as (host, paths), serving() as (plain, _):
        port = host.partition(":")[2]
        url, allowed = f"https://localhost:{port}/cat.png", [f"localhost:{port}", host, plain]
        with pytest.raises(BadImage, match="SSLCertVerificationError"):
            fetch(url, allowed)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
        with pytest.raises(BadImage, match="SSLCertVerificationError"):
            fetch(f"https://{host}/cat.png", allowed)
        assert paths == []
        assert fetch(url, allowed) == PICTURE
        assert fetch(f"http://{plain}/to/{url}", allowed) == PICTURE
        with pytest.raises(BadImage, match="fetches no images"):
            fetch(f"http://{plain}/to/{url}", [plain])
        [picture] = _read_in_process(url, allowed)
        assert picture.file.startswith(b"BM")


def _read_in_process(url: str, allowed: list[str]) -> list[Picture]:
    with ImageData() as data:
        return ImageReader(allowed).read([Source(url)], 64, data)
