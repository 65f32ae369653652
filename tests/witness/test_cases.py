"""What clients send and small models say, by kind (`tests/cases`), through the running gateway and a second console.

Each case is asked for whole and streamed. `says` is what the console prints, byte for byte; what is expected is
`content`, `reasoning`, `json` (the content's value), `calls`, `error` (status and code), or `line` (what the console
was given). `SCRIPT` in a message is where the console is told what to say.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.checker import check_stream
from tests.support.waits import until
from tests.witness.program import WitnessGateway, witness_gateway
from tests.witness.script import do, say, script, think

pytestmark = pytest.mark.live

CHAT = "/v1/chat/completions"
FOLDER = Path(__file__).parents[1] / "cases"
CASES = [
    pytest.param(case, id=f"{kind['number']}-{case['name']}")
    for kind in (json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json")))
    for case in kind["cases"]
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Iterator[WitnessGateway]:
    env = {"BPU_RESET": "command", "BPU_CONTINUE": "never"}
    with witness_gateway(tmp_path_factory.mktemp("cases"), compiled, workers=1, env=env) as started:
        started.wait_for()
        show_pace(started)
        yield started


def show_pace(gateway: WitnessGateway) -> None:
    """Let the console answer once as fast as a model: with its pace known, no answer needs two seconds of silence."""
    words = script(do("rate", 100), think("one two three four five six seven eight nine ten eleven twelve"), say("ok"))
    assert gateway.ask(words)["choices"][0]["message"]["content"] == "ok"


def question(case: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The request of a case, and the script in it."""
    words = script(say(case["says"])) if "says" in case else script(think("ok"), say("ok"))
    messages = json.dumps(case.get("messages", [{"role": "user", "content": "SCRIPT"}]))
    body = {"model": "deepseek-r1:1.5b", "messages": json.loads(messages.replace("SCRIPT", words))}
    return {**body, **case.get("fields", {})}, words


def called(calls: list[Any] | None) -> list[list[Any]]:
    functions = [call.get("function", call) for call in calls or []]
    return [[one["name"], json.loads(one["arguments"])] for one in functions]


def check_answer(case: dict[str, Any], message: dict[str, Any], finish: str, reasoning: str) -> None:
    content = message["content"] or ""
    assert called(message.get("tool_calls")) == case.get("calls", [])
    assert finish == ("tool_calls" if "calls" in case else "stop")
    if "json" in case:
        assert json.loads(content) == case["json"]
    else:
        assert content == case.get("content", "")
    assert reasoning == case.get("reasoning", reasoning)


@pytest.mark.parametrize("case", CASES)
def test_the_case_is_answered_as_expected(gateway: WitnessGateway, case: dict[str, Any]) -> None:
    sent, words = question(case)
    status, _, data = gateway.request("POST", CHAT, sent)
    if "error" in case:
        error = json.loads(data)["error"]
        assert [status, error["code"]] == case["error"]
        assert error.get("output") == case.get("output")
        return
    assert status == 200, data
    choice = json.loads(data)["choices"][0]
    check_answer(case, choice["message"], choice["finish_reason"], choice["message"].get("reasoning_content", ""))
    if "line" in case:
        line = [event.text for event in gateway.trace() if event.name == "read" and event.text != "reset"][-1]
        assert line == case["line"].replace("SCRIPT", words)
    streamed = {**sent, "stream": True}
    status, _, data = gateway.request("POST", CHAT, streamed)
    assert status == 200, data
    seen = check_stream(data, streamed)
    check_answer(case, seen, seen["finish_reason"], seen["reasoning"])


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n", (200, 204)),
        (b"CONNECT localhost:8000 HTTP/1.1\r\nHost: localhost:8000\r\n", (400, 405)),
        (
            b"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
            (404,),
        ),
    ],
    ids=["OPTIONS", "CONNECT", "WebSocket"],
)
def test_11_a_target_that_is_no_path_is_no_mistake_of_the_gateway(
    gateway: WitnessGateway, sent: bytes, statuses: tuple[int, ...]
) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(sent + b"\r\n")
        head = until(lambda: connection.recv(4096))
    assert int(head[9:12]) in statuses
    assert "The gateway made a mistake" not in gateway.log
