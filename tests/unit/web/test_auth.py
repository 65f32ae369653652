"""What every request passes before a view: host name, network, key, and JSON where a web page may speak."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.unit.web.conftest import FlaskClient, Serve
from tests.unit.web.fakes import FakeEngine

CHAT = "/v1/chat/completions"
BODY = {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": "Good day"}]}
OPEN = {"/", "/health", "/ready", "/static/<path:name>"}
FAR = {"REMOTE_ADDR": "8.8.8.8"}


def addresses(client: FlaskClient) -> list[tuple[str, str, str]]:
    """(rule, method, a path) of everything that the application answers, OPTIONS left out."""
    return [
        (rule.rule, method, rule.rule.replace("<path:name>", "style.css").replace("<", "").replace(">", ""))
        for rule in client.application.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"OPTIONS"})
    ]


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json["error"]["code"]


def test_without_a_key_nothing_is_served_but_the_open_addresses(serve: Serve) -> None:
    client = serve(api_keys="secret")
    crawled = addresses(client)
    assert {"/metrics", "/slots", "/v1/logs", "/v1/events", CHAT} <= {rule for rule, _, _ in crawled}
    for rule, method, path in crawled:
        for written in {path, path.removeprefix("/v1") or "/", f"/v1{path}", f"{path}/"}:
            response = client.open(written, method=method, buffered=False)
            if rule in OPEN:
                assert response.status_code != 401 or written not in (path, f"{path}/"), (method, written)
            else:
                assert response.status_code == 401, (method, written)
            response.close()
    assert code(client.get("/nowhere")) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer secret"}, 200),
        ({"Authorization": "bearer  second "}, 200),
        ({"X-Api-Key": "secret"}, 200),
        ({"Authorization": "Bearer wrong", "X-Api-Key": "secret"}, 200),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Basic secret"}, 401),
        ({"Authorization": "secret"}, 401),
        ({"X-Api-Key": ""}, 401),
        ({}, 401),
    ],
)
def test_keys(serve: Serve, headers: dict[str, str], status: int) -> None:
    response = serve(api_keys="secret,second").get("/v1/models", headers=headers)
    assert response.status_code == status
    if status == 401:
        assert response.json["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("value", ["Bearer anything", "Bearer ", "", "Basic x"])
def test_without_keys_any_will_do(client: FlaskClient, value: str) -> None:
    assert client.get("/v1/models", headers={"Authorization": value}).status_code == 200


def test_without_keys_strangers_are_told_how_to_set_one(client: FlaskClient) -> None:
    for path in ("/", "/health", "/v1/models", "/static/app.css"):
        response = client.get(path, environ_base=FAR)
        assert code(response) == (403, "forbidden")
        assert "BPU_API_KEYS" in response.json["error"]["message"]
    for peer in ("192.168.128.77", "::ffff:10.0.0.1", "fe80::1%usb0", ""):
        assert client.get("/v1/models", environ_base={"REMOTE_ADDR": peer}).status_code == 200


def test_with_keys_a_stranger_with_a_key_is_served(serve: Serve) -> None:
    client = serve(api_keys="secret")
    assert client.get("/v1/models", environ_base=FAR, headers={"X-Api-Key": "secret"}).status_code == 200
    assert client.get("/v1/models", environ_base=FAR).status_code == 401


def test_without_a_key_no_line_of_the_console_and_no_path_is_shown(serve: Serve, engine: FakeEngine) -> None:
    engine.picture.update(
        state="failed", error="The console cannot open /models/a.hbm.", log=["open /models/a.hbm failed"]
    )
    client = serve(api_keys="secret")
    for path in ("/health", "/ready"):
        assert "/models" not in client.get(path).text
        assert "/models" in client.get(path, headers={"X-Api-Key": "secret"}).text


def test_a_strangers_host_name_is_refused_on_every_address(serve: Serve) -> None:
    client = serve(allowed_hosts="chat.example.org")
    for _, method, path in addresses(client):
        assert client.open(path, method=method, headers={"Host": "evil.example"}).status_code == 403
    assert client.options(CHAT, headers={"Host": "evil.example"}).status_code == 403
    assert client.get("/health", headers={"Host": "chat.example.org:8000"}).status_code == 200


def test_forwarded_headers_count_from_trusted_proxies_alone(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    forwarded = {"X-Forwarded-For": "8.8.8.8"}
    with caplog.at_level(logging.WARNING, "bpu.web"):
        client = serve()
        assert client.get("/health", headers=forwarded).status_code == 200
        assert client.get("/health", headers=forwarded).status_code == 200
    assert [record.message for record in caplog.records if "BPU_TRUSTED_PROXIES" in record.message] == [
        "Requests come through a proxy at 127.0.0.1 that is not in BPU_TRUSTED_PROXIES, so every client looks local. "
        "Name the proxy there, or set BPU_API_KEYS."
    ]
    client = serve(trusted_proxies="127.0.0.1")
    assert client.get("/health", headers=forwarded).status_code == 403
    assert client.get("/health", headers={"X-Forwarded-For": "192.168.1.2"}).status_code == 200
    assert client.get("/health", headers={"X-Forwarded-Host": "evil.example"}).status_code == 403
    assert serve().get("/health", headers={"X-Forwarded-Host": "evil.example"}).status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_whatever_a_proxy_adds_tells_of_it(serve: Serve, caplog: pytest.LogCaptureFixture, header: str) -> None:
    with caplog.at_level(logging.WARNING, "bpu.web"):
        serve(api_keys="secret").get("/health", headers={header: "8.8.8.8"})
        serve(trusted_proxies="127.0.0.1").get("/health", headers={header: "192.168.1.2"})
        assert not caplog.records
        serve().get("/health", headers={header: "8.8.8.8"}, environ_base={"REMOTE_ADDR": ""})
    assert ["at a unix socket" in record.message for record in caplog.records] == [True]


def test_the_client_in_the_log_is_the_one_behind_the_proxy(serve: Serve, request_log: Any) -> None:
    serve(trusted_proxies="127.0.0.1").get("/v1/models", headers={"X-Forwarded-For": "192.168.1.2"})
    assert [line["client"] for line in request_log()] == ["192.168.1.2"]


def test_a_web_page_must_declare_json_and_a_program_need_not(client: FlaskClient) -> None:
    plain: dict[str, Any] = {"content_type": "text/plain"}
    form: dict[str, Any] = {"content_type": "application/x-www-form-urlencoded"}
    body = '{"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": "Hi"}]}'
    assert client.post(CHAT, data=body, **form).status_code == 200
    for origin in ("https://evil.example", "null", "http://localhost:3000"):
        refused = client.post(CHAT, data=body, headers={"Origin": origin}, **plain)
        assert code(refused) == (415, "unsupported_media_type")
        assert client.post("/v1/engine/unload", headers={"Origin": origin}).status_code == 415
        assert client.post(CHAT, json=BODY, headers={"Origin": origin}).status_code == 200


def test_hardening_headers_are_everywhere(client: FlaskClient) -> None:
    for path in ("/", "/health", "/nowhere", "/static/app.css"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
    policy = client.get("/", headers={"Accept": "text/html"}).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_options_needs_no_key_and_names_the_methods(serve: Serve) -> None:
    client = serve(api_keys="secret")
    response = client.options(CHAT)
    assert (response.status_code, response.headers["Allow"]) == (204, "OPTIONS, POST")
    assert client.options("/v1/models").headers["Allow"] == "GET, HEAD, OPTIONS"
