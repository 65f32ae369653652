"""Which web pages may read answers: the local ones and those that were allowed, on every answer, errors too."""

from __future__ import annotations

import pytest

from tests.unit.web.conftest import FlaskClient, Serve

CHAT = "/v1/chat/completions"
BODY = {"model": "deepseek-r1:1.5b", "messages": [{"role": "user", "content": "Good day"}]}
ALLOWED = (
    *("http://localhost:3000", "https://localhost", "http://127.0.0.1:8080", "http://[::1]:5173", "app://obsidian.md"),
    *("tauri://localhost", "vscode-webview://abc", "capacitor://localhost", "http://dev.localhost:1"),
)
FOREIGN = (
    *("https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1.evil.example"),
    *("http://evil.example/localhost", "https://chat.example.org", "http://evillocalhost", "http://10.0.0.1"),
)
ASKED = "authorization, content-type, user-agent, x-stainless-lang, x-api-key"


def preflight(client: FlaskClient, origin: str) -> dict[str, str]:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ASKED,
        "Access-Control-Request-Private-Network": "true",
    }
    response = client.options(CHAT, headers=asked)
    assert (response.status_code, response.data) == (204, b"")
    return {name.lower(): value for name, value in response.headers}


@pytest.mark.parametrize("origin", ALLOWED)
def test_a_preflight_from_an_allowed_origin(serve: Serve, origin: str) -> None:
    headers = preflight(serve(api_keys="secret"), origin)
    assert headers["access-control-allow-origin"] == origin
    assert {name.strip() for name in headers["access-control-allow-headers"].split(",")} == set(ASKED.split(", "))
    assert "POST" in headers["access-control-allow-methods"]
    assert int(headers["access-control-max-age"]) > 0
    assert headers["access-control-allow-private-network"] == "true"
    assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_origin_gets_no_cors_header_and_no_refusal(client: FlaskClient, origin: str) -> None:
    assert not [name for name in preflight(client, origin) if name.startswith("access-control-allow-origin")]
    response = client.post(CHAT, json=BODY, headers={"Origin": origin})
    assert response.status_code == 200
    assert "Access-Control-Allow-Origin" not in response.headers


def test_every_answer_to_an_allowed_origin_may_be_read(serve: Serve) -> None:
    client = serve(api_keys="secret")
    key = {"Authorization": "Bearer secret", "Origin": "http://localhost:3000"}
    answers = [
        client.get("/v1/models", headers=key),
        client.get("/v1/models", headers={"Origin": key["Origin"]}),
        client.get("/nowhere", headers=key),
        client.post(CHAT, data="{", content_type="application/json", headers=key),
        client.post(CHAT, json={**BODY, "stream": True}, headers=key),
        client.post(CHAT, json=BODY, headers=key),
        client.get("/health", headers={**key, "Host": "evil.example"}),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 404, 400, 200, 200, 403]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == key["Origin"]
        exposed = answer.headers["Access-Control-Expose-Headers"].lower()
        assert {"x-request-id", "retry-after"} <= set(exposed.replace(" ", "").split(","))
        assert "Origin" in answer.headers["Vary"]


def test_origins_that_were_allowed(serve: Serve) -> None:
    client = serve(allowed_origins="https://*.example.org, https://one.test/")
    for origin in ("https://chat.example.org", "https://one.test"):
        assert preflight(client, origin)["access-control-allow-origin"] == origin
    for origin in (
        "https://example.org",
        "http://chat.example.org",
        "https://a/x.example.org",
        "https://one.test.evil",
    ):
        assert "access-control-allow-origin" not in preflight(client, origin)
    assert preflight(serve(allowed_origins="*"), "https://any.example")["access-control-allow-origin"]
