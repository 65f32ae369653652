"""Settings for other programs hold the address, the key and the model, in the form that each program reads."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bpu.board.addresses import Address, Kind
from bpu.cli import main
from bpu.cli._endpoint import find_endpoint
from bpu.errors import SettingsError
from bpu.settings import Settings
from tests.unit.cli.connecting import HERE, shown


@pytest.fixture(autouse=True)
def _simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPU_ENGINE", "simulator")
    monkeypatch.setattr("bpu.cli.connect.MODELS_LIMIT_S", 0.1)  # addresses at which nothing answers


def test_the_best_address_the_first_key_and_the_model_are_taken(tmp_path: Path) -> None:
    found = [Address("192.168.137.100", "usb0", Kind.USB), Address("10.0.0.5", "wlan0", Kind.WIFI)]
    settings = Settings(api_keys="key-1,key-2")
    assert find_endpoint(settings, lambda: found) == HERE
    keys = tmp_path / "keys"
    keys.write_text("# ours\n\nkey-3\n")
    assert find_endpoint(Settings(api_keys_file=keys), lambda: found).key == "key-3"
    assert find_endpoint(Settings(), lambda: found).key == "any"


def test_an_address_whose_clients_are_served_comes_first_and_a_public_one_alone_is_warned_of() -> None:
    public, wifi = Address("8.8.8.8", "eth0", Kind.WIRED), Address("10.0.0.5", "wlan0", Kind.WIFI)
    found = find_endpoint(Settings(), lambda: [public, wifi])
    assert (found.base, found.needs_key) == ("http://10.0.0.5:8000/v1", False)
    found = find_endpoint(Settings(), lambda: [public])
    assert (found.base, found.needs_key) == ("http://8.8.8.8:8000/v1", True)
    found = find_endpoint(Settings(api_keys="key-1"), lambda: [public, wifi])
    assert (found.base, found.needs_key) == ("http://8.8.8.8:8000/v1", False)


def test_an_address_where_nothing_answers_is_said_beside_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPU_BIND", "127.0.0.1:1")
    result = CliRunner().invoke(main, ["connect", "curl"])
    assert result.exit_code == 0, result.output
    assert "http://127.0.0.1:1/v1" in result.stdout
    assert "Nothing answers at 127.0.0.1:1 now" in result.stderr
    assert "Nothing answers" not in CliRunner().invoke(main, ["connect", "curl", "--url", "127.0.0.1:1"]).output


def test_no_code_is_promised_where_none_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "scan" not in shown("chatbox")
    monkeypatch.setattr("bpu.cli.connect.is_terminal", lambda stream: True)
    monkeypatch.setattr("bpu.cli._endpoint.local_addresses", lambda: [Address("10.0.0.5", "eth0", Kind.WIRED)])
    monkeypatch.setenv("BPU_BIND", "10.0.0.5:8000")
    assert "scan the code" in shown("chatbox")


def test_without_a_network_address_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--url"):
        find_endpoint(Settings(bind=f"unix:{tmp_path}/s"), list)


def test_chatbox_s_steps_are_there_and_the_code_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = shown("chatbox", "--url", "192.168.137.100:8000", "--key", "k")
    assert "chatbox://provider/import?config=" in piped
    assert "http://192.168.137.100:8000/v1 " in piped
    assert "█" not in piped
    monkeypatch.setattr("bpu.cli.connect.is_terminal", lambda stream: True)
    assert "█" in shown("chatbox", "--url", "192.168.137.100:8000")
    for address in ("localhost:8000", "127.0.0.1:8000", "http://[::1]:8000"):
        local = shown("chatbox", "--url", address)
        assert ("█" in local, "this machine only" in local) == (False, True), address


@contextmanager
def another_gateway(models: list[dict[str, Any]], key: str = "") -> Iterator[str]:
    """A gateway of another machine that answers `/v1/models` alone, with `key` if there is one."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            right = self.path == "/v1/models" and self.headers.get("Authorization", "") == (
                f"Bearer {key}" if key else ""
            )
            data = json.dumps({"data": models} if right else {"error": {"message": "No."}}).encode()
            self.send_response(200 if right else 401)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("key", ["", "k-1"])
def test_a_gateway_that_is_named_is_asked_for_its_models(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setattr("bpu.cli.connect.MODELS_LIMIT_S", 10)
    served: list[dict[str, Any]] = [
        {"id": "theirs", "context_length": 8192, "capabilities": ["completion", "vision"]},
        {"id": "second", "capabilities": ["thinking"]},
        {"id": "theirs-think", "context_length": 8192, "capabilities": ["completion"]},
    ]
    with another_gateway(served, key) as url:
        config = json.loads(shown("openclaw", "--url", url, *(["--key", key] if key else [])))
    provider = config["models"]["providers"]["bpu"]
    found = [(one["id"], one["contextWindow"], one["reasoning"], one["input"]) for one in provider["models"]]
    assert found == [("theirs", 8192, False, ["text", "image"]), ("second", 4096, True, ["text"])]
    assert config["agents"]["defaults"]["model"]["primary"] == "bpu/theirs"


@pytest.mark.parametrize(
    "served",
    [
        [], [7], [{"context_length": 1}], [{"id": 5}], [{"id": ""}], [{"id": "x", "context_length": "many"}],
        [{"id": "x", "context_length": float("inf")}], [{"id": "x", "context_length": 0}],
        [{"id": "x", "context_length": -1}], [{"id": "x", "capabilities": {"thinking": False}}],
    ],
)  # fmt: skip
def test_a_gateway_that_does_not_name_its_models_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, served: list[Any]
) -> None:
    monkeypatch.setattr("bpu.cli.connect.MODELS_LIMIT_S", 10)
    with another_gateway(served, "a key that is not given") as url:
        refused = CliRunner().invoke(main, ["connect", "curl", "--url", url])
    with another_gateway(served) as url:
        strange = CliRunner().invoke(main, ["connect", "curl", "--url", url, "--model", "m-1"])
    for result in (refused, strange):
        assert result.exit_code == 0, result.output
        assert "does not name its models" in result.stderr
        assert "/v1/chat/completions" in result.stdout
    assert "m-1" in strange.stdout


def test_what_is_no_address_is_refused_with_an_example() -> None:
    result = CliRunner().invoke(main, ["connect", "curl", "--url", "ftp://board"])
    assert result.exit_code == 2
    assert "http://" in result.output
