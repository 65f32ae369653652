"""The page's own addresses: `/`, its files, and the ways to connect; what they carry and what they forbid."""

from __future__ import annotations

import gzip
import json
import re
from hashlib import sha256
from pathlib import Path

import pytest

from bpu.web.routes.page import STATIC, qr_code, static_version
from tests.unit.web.conftest import FlaskClient, Serve

FILES = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())
SERVED = [name for name in FILES if not name.endswith((".LICENSE", ".json"))]
KINDS = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".webmanifest": "application/manifest+json; charset=utf-8",
    ".png": "image/png",
}
GZIP = {"Accept-Encoding": "gzip"}


def test_the_page_names_only_files_that_exist(client: FlaskClient) -> None:
    page = client.get("/", headers={"Accept": "text/html"})
    named = re.findall(rf'(?:href|src)="/static/(?:{static_version()}/)?([^"]+)"', page.text)
    assert {"app.js", "base.css", "theme.js", "icon.svg"} <= set(named) <= set(FILES)
    assert not [name for name in named if name.endswith("_worker.js")], "a worker is fetched when it is started"
    assert not re.findall(r'(?:href|src)="(?!/static/|#)', page.text)


def test_the_page_allows_no_script_or_style_in_its_markup(client: FlaskClient) -> None:
    page = client.get("/", headers={"Accept": "text/html"})
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert policy.endswith("require-trusted-types-for 'script'; trusted-types workers")
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page.text)


def test_every_file_has_its_type_and_may_not_be_guessed(client: FlaskClient) -> None:
    for name in SERVED:
        response = client.get(f"/static/{name}")
        assert response.status_code == 200, name
        assert response.headers["Content-Type"] == KINDS[Path(name).suffix], name
        assert response.headers["X-Content-Type-Options"] == "nosniff", name
        assert ("Content-Security-Policy" in response.headers) is name.endswith(".svg"), name
        assert response.data == (STATIC / name).read_bytes(), name


@pytest.mark.parametrize("path", ["/", "/static/chat.js"])
def test_gzip_for_those_who_take_it(client: FlaskClient, path: str) -> None:
    browser = {"Accept": "text/html"}
    plain, squeezed = client.get(path, headers=browser), client.get(path, headers={**browser, **GZIP})
    assert squeezed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(squeezed.data) == plain.data
    assert plain.headers["Vary"] == squeezed.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]


def test_a_file_that_is_known_is_not_sent_again(client: FlaskClient) -> None:
    tag = client.get("/static/chat.js", headers=GZIP).headers["ETag"]
    again = client.get("/static/chat.js", headers={**GZIP, "If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")


def test_only_an_address_that_names_this_version_is_kept_for_good(client: FlaskClient) -> None:
    kept = client.get(f"/static/{static_version()}/chat.js")
    assert "immutable" in kept.headers["Cache-Control"]
    for name in ("chat.js", "0123456789ab/chat.js", "service_worker.js"):
        response = client.get(f"/static/{name}")
        assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-cache")


def test_the_service_worker_may_serve_the_whole_page(client: FlaskClient) -> None:
    assert client.get("/static/service_worker.js").headers["Service-Worker-Allowed"] == "/"
    assert "Service-Worker-Allowed" not in client.get("/static/chat.js").headers


def test_the_libraries_are_those_that_were_published() -> None:
    """Each file is the one whose hash was recorded when it was taken from npm, and each has its licence beside it."""
    libraries = json.loads((STATIC / "vendor/libraries.json").read_text(encoding="utf-8"))
    assert {library["package"] for library in libraries} == {"marked", "temml", "@highlightjs/cdn-assets"}
    recorded = {name: digest for library in libraries for name, digest in library["files"].items()}
    there = {path.relative_to(STATIC / "vendor").as_posix(): path for path in (STATIC / "vendor").rglob("*.*")}
    del there["libraries.json"]
    assert {name: sha256(path.read_bytes()).hexdigest() for name, path in there.items()} == recorded
    assert sum(name.endswith(".LICENSE") for name in recorded) == len(libraries)


@pytest.mark.parametrize("name", ["nothing.js", "../page.py", "%2e%2e/page.py", ""])
def test_nothing_but_the_pages_files_is_served(client: FlaskClient, name: str) -> None:
    response = client.get(f"/static/{name}")
    assert response.status_code == 404
    assert response.json is not None


def test_connect_tells_addresses_and_models(client: FlaskClient) -> None:
    facts = client.get("/v1/connect", headers={"Host": "192.168.127.10:8000"}).json
    assert facts["here"] == "http://192.168.127.10:8000"
    assert facts["here"] in [entry["url"] for entry in facts["addresses"]]
    assert facts["models"][0]["context_length"] == 4096
    assert all(entry["qr"] == qr_code(entry["url"]) for entry in facts["addresses"])


def test_page_and_files_need_no_key_but_facts_do(serve: Serve) -> None:
    client = serve(api_keys="secret")
    assert client.get("/").status_code == client.get("/static/app.js").status_code == 200
    assert client.get("/v1/events").status_code == client.get("/v1/connect").status_code == 401
