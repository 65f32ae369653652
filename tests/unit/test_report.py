"""`report` holds what helps and no word that is not its sender's to give; `update` and `status` say what is so."""

from __future__ import annotations

import http.server
import json
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpu import __version__
from bpu.board import tools
from bpu.board.redact import Clients, log_lines, without_secrets

PROJECT = Path(__file__).parents[2]
ID = "chatcmpl-" + "0" * 32
HEAD = "2026-11-29 11:51:53+0000 [39] INFO"
REQUEST = f"{HEAD} request id={ID} client=192.168.137.1 method=POST path=/v1/chat/completions status=200 ms=12.5"


def bpu(*words: str, **env: str) -> tools.Result:
    return tools.run([sys.executable, "-m", "bpu", *words], timeout=60, cwd=PROJECT, env=env)


def test_lines_of_requests_keep_times_and_counts_and_clients_are_numbered() -> None:
    other = REQUEST.replace("192.168.137.1", "10.0.0.9")
    found = list(log_lines([REQUEST, other, REQUEST]))
    assert [line.rpartition("client=")[2] for line in found] == ["client-1", "client-2", "client-1"]
    assert "status=200 ms=12.5 path=/v1/chat/completions" in found[0]


def test_both_forms_of_the_log_are_read() -> None:
    line = {
        "time": "2026-11-29T11:51:53.123+00:00",
        "level": "info",
        "logger": "bpu",
        "pid": 1,
        "event": "request",
        "status": 200,
        "client": "1.2.3.4",
    }
    (found,) = log_lines([json.dumps(line)])
    assert "status=200" in found
    assert "1.2.3.4" not in found
    for name in ("time", "level", "pid"):
        assert list(log_lines([json.dumps({**line, name: "the words of a person"})])) == []


@pytest.mark.parametrize(
    "text", ["client=::ffff:192.168.7.23", "192.168.7.23:555", "ip=192.168.7.23: refused", "[::ffff:192.168.7.23]:80"]
)
def test_an_address_is_hidden_in_every_form(text: str) -> None:
    assert "7.23" not in Clients().name_all(text)
    assert Clients().name_all("version 1.2.3.4.5 at 12:30:45") == "version 1.2.3.4.5 at 12:30:45"


@pytest.mark.parametrize("form", ["text", "json"])
def test_prompts_and_answers_stay_whatever_they_look_like(form: str) -> None:
    """An answer of several lines may hold a line that looks like one of the log."""
    forged = [f"{HEAD} engine: my secret plan", REQUEST.replace("/v1/chat/completions", "/my/secret/plan")]
    forged += [f"{REQUEST} note=secret finish=secret-plan", "secret plan"]
    if form == "text":
        lines = [f"{HEAD} prompt id={ID} line=my", *forged, f"{HEAD} answer id={ID} text=a", *forged]
    else:
        head = {"time": "t", "level": "info", "pid": 1}
        lines = [
            json.dumps({**head, "event": event, "line": "secret", "text": "secret"}) for event in ("prompt", "answer")
        ]
        lines += [json.dumps({**head, "event": "request", "path": "/secret", "prompt": "secret", "finish": "a secret"})]
    found = "\n".join(log_lines([*lines, REQUEST]))
    assert "secret" not in found
    assert "status=200" in found


def test_addresses_in_other_lines_are_numbered_and_times_are_not() -> None:
    (line,) = log_lines([f"{HEAD} Refused 10.1.2.3 and fe80::1 at 11:51:53, not 127.0.0.1"])
    assert "client-1 and client-2 at 11:51:53, not 127.0.0.1" in line


@pytest.mark.parametrize("address", ["0.0.0.0:8000", "[::]:8000", "127.0.0.1:8000"])
def test_where_the_gateway_listens_is_kept(address: str) -> None:
    (line,) = log_lines([f"{HEAD} Listening at: http://{address} (6)"])
    assert line.endswith(f"http://{address} (6)")


@pytest.mark.parametrize(
    "text",
    ["Authorization: Bearer abcdefgh", "--api-keys abcdefgh", "BPU_API_KEY=abcdefgh", "https://abcdefgh:pw@host/x",
     "https://user:p@abcdefgh@host/x", "Authorization: Basic abcdefgh", "api_keys=one,abcdefgh",
     "sk-abcdefgh", 'password: "abcdefgh"',
     "--passwd abcdefgh", "--license abcdefgh", "access_key=abcdefgh", "passphrase: abcdefgh", "hf_abcdefgh",
     "ghp_abcdefgh", "Cookie: a=1; session=abcdefgh", "https://host/x?sig=abcdefgh", "https://host/abc?a=1&b=abcdefgh",
     "https://host/x#abcdefgh", "X-Amz-Signature=abcdefgh"],
)  # fmt: skip
def test_what_looks_like_a_key_is_hidden(text: str) -> None:
    assert "abcdefgh" not in without_secrets(text)
    assert without_secrets("the model is loaded", ["loaded"]) == "the model is ***"
    for kept in ("prompt_tokens=12 ms=3", "first token after 3 s", "BPU_API_KEYS_FILE=/etc/bpu/keys", "https://host/x"):
        assert without_secrets(kept) == kept


def test_the_file_lists_its_contents_first_and_holds_no_secret(tmp_path: Path) -> None:
    keys, log, report = tmp_path / "keys", tmp_path / "log", tmp_path / "report.txt"
    keys.write_text("key-of-the-file\nsecond-key\n")
    log.write_text(f"{HEAD} prompt id={ID} line=the words of a person\n{REQUEST}\n{HEAD} oops second-key\n")
    env = {
        "BPU_API_KEYS_FILE": str(keys), "BPU_LOG_PROMPTS": "1", "BPU_STATE_DIR": str(tmp_path / "state"),
        "BPU_UPDATE_URL": "https://user:hidden@host/x.json", "BPU_MODEL_ID": "some-model",
    }  # fmt: skip
    result = bpu("report", "--output", str(report), "--log", str(log), **env)
    assert result.ok, result.err
    text = report.read_text()
    assert report.stat().st_mode & 0o777 == 0o600
    assert text.splitlines()[0] == "This report holds:"
    assert result.out.splitlines()[:7] == text.splitlines()[:7]
    assert f"rdk-bpu-gateway {__version__}" in text
    assert "BPU_MODEL_ID=some-model (environment)" in text
    assert "status=200" in text
    for secret in ("key-of-the-file", "second-key", "hidden@", "the words of a person", "192.168.137.1"):
        assert secret not in text, secret


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, bytes]]]:
    answers: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in answers else 404)
            self.end_headers()
            self.wfile.write(answers.get(self.path, b""))

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", answers
        listening.shutdown()
        thread.join()


def test_a_folder_that_takes_no_file_gets_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    result = bpu("report", "--log", str(tmp_path / "log"), "--output", str(tmp_path / "none" / "report"))
    assert (result.code, "--output" in result.err) == (3, True), result.err


def test_update_asks_only_with_check_and_only_the_address_of_the_setting(server: tuple[str, dict[str, bytes]]) -> None:
    url, answers = server
    answers.update(
        {"/new": b'{"tag_name": "v99.0"}', "/same": json.dumps({"version": __version__}).encode(), "/odd": b"[]"}
    )
    assert "git pull" in bpu("update").out
    assert bpu("update", "--check").code == 2
    newer = bpu("update", "--check", BPU_UPDATE_URL=f"{url}/new")
    assert "There is version 99.0" in newer.out
    assert "is the newest version" in bpu("update", "--check", BPU_UPDATE_URL=f"{url}/same").out
    for path in ("odd", "missing"):
        result = bpu("update", "--check", BPU_UPDATE_URL=f"{url}/{path}")
        assert (result.code, "Traceback" in result.err) == (3, False)
    missing = bpu("update", "--check", BPU_UPDATE_URL=f"{url}/missing")
    assert "does not answer: HTTP Error 404" in missing.err
    closed = bpu("update", "--check", BPU_UPDATE_URL="http://127.0.0.1:1/x")
    assert (closed.code, "does not answer: Connection refused" in closed.err) == (3, True)
    assert bpu("update", "--check", BPU_UPDATE_URL="file:///etc/passwd").code == 2


def test_status_and_logs_say_what_is_missing(tmp_path: Path) -> None:
    result = bpu("status", BPU_BIND="127.0.0.1:1")
    assert (result.code, "Nothing answers at 127.0.0.1:1" in result.out) == (3, True)
    shown = bpu("logs")
    assert shown.ok or "not installed" in shown.err


def test_a_chinese_reader_s_report_has_no_english_frame(tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    env = {"LC_ALL": "zh_CN.UTF-8", "BPU_STATE_DIR": str(tmp_path / "state"), "BPU_MODEL_ID": "some-model"}
    result = bpu("report", "--output", str(report), **env)
    assert result.ok, result.err
    heads = [line for line in report.read_text().splitlines() if line.startswith("== ")]
    assert len(heads) == 6
    assert all(re.search(r"[\u4e00-\u9fff]", head) for head in heads)
    assert "BPU_MODEL_ID=some-model (环境变量)" in report.read_text()
    assert "fine " not in report.read_text()
