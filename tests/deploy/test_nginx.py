"""The shipped nginx settings before a real gateway: tokens as they come, leavers noticed, clients told apart."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.proxy import adapt_config, find_program, run_proxy
from tests.live.gateway import Gateway, running, sim
from tests.live.stream import Stream
from tests.support.ports import reserve_port
from tests.support.waits import until

pytestmark = pytest.mark.system

MAIN = """\
pid {folder}/nginx.pid;
error_log stderr;
daemon off;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/bpu.conf;
}}
"""


@dataclass
class Site:
    gateway: Gateway
    port: int

    def stream(self, text: str, **fields: object) -> Stream:
        """A stream through nginx instead of straight from the gateway."""
        straight, self.gateway.port = self.gateway.port, self.port
        try:
            return self.gateway.stream(text, **fields)
        finally:
            self.gateway.port = straight

    def request(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json", **sent})
            response = connection.getresponse()
            return response.status, response.read()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    nginx, folder, port = find_program("nginx", "nginx"), tmp_path_factory.mktemp("nginx"), reserve_port()
    env = {"BPU_TRUSTED_PROXIES": "127.0.0.1", "BPU_ALLOWED_HOSTS": "board.example.org"}
    with running(tmp_path_factory.mktemp("gateway"), env=env) as gateway:
        changes = {r"listen 80;": f"listen 127.0.0.1:{port};", r"127\.0\.0\.1:8000;": f"127.0.0.1:{gateway.port};"}
        (folder / "bpu.conf").write_text(adapt_config("nginx.conf", changes))
        main = folder / "nginx.conf"
        main.write_text(MAIN.format(folder=folder))
        with run_proxy([nginx, "-p", str(folder), "-c", str(main)], port, folder / "log"):
            yield Site(gateway, port)


def test_a_token_arrives_while_the_answer_is_still_being_made(site: Site) -> None:
    stream = site.stream(sim(tokens=60, rate=20)).until_text()
    site.gateway.wait_for("busy")
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.read_to_end().finish == "stop"


def test_a_client_that_leaves_is_noticed_behind_nginx(site: Site) -> None:
    stream = site.stream(sim(tokens=4000, rate=20)).until_text()
    assert site.gateway.slots()["slots"][0]["is_processing"]
    stream.close()
    until(lambda: not site.gateway.slots()["slots"][0]["is_processing"], what="the answer is given up")
    assert site.gateway.ask("1+2=?")["choices"][0]["finish_reason"] == "stop"


def test_two_answers_one_after_the_other_and_errors_as_they_are(site: Site) -> None:
    body = {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": "Hello"}]}
    for _ in range(2):
        status, data = site.request("POST", "/v1/chat/completions", body)
        assert (status, json.loads(data)["object"]) == (200, "chat.completion")
    status, data = site.request("POST", "/v1/chat/completions", {})
    assert (status, json.loads(data)["error"]["type"]) == (400, "invalid_request_error")


def test_the_name_of_the_site_is_passed_on_and_checked(site: Site) -> None:
    assert site.request("GET", "/health", Host="board.example.org")[0] == 200
    assert site.request("GET", "/health", Host="evil.example")[0] == 403


def test_who_asks_is_nginxs_word_and_not_the_strangers(site: Site) -> None:
    assert site.request("GET", "/v1/models", X_Forwarded_For="8.8.8.8")[0] == 200
    assert "BPU_TRUSTED_PROXIES" not in site.gateway.log
    # The same header straight from a trusted address is believed.
    assert site.gateway.request("GET", "/v1/models", headers={"X-Forwarded-For": "8.8.8.8"})[0] == 403


def test_the_file_is_sound(site: Site, tmp_path: Path) -> None:
    """A client that sends too much is told so before the gateway is troubled."""
    assert site.request("POST", "/v1/chat/completions", {"x": "y" * (5 * 1024 * 1024)})[0] == 413
