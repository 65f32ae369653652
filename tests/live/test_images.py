"""Images from the client to the console: the steps, what may come between, faults, limits, leaks, and two people."""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.live.gateway import FAST, Gateway, running, sim
from tests.live.wire import Reply, call
from tests.support.pictures import BLUE, GREEN, RED, YELLOW, base64_of, image_part, said, stripes
from tests.support.waits import until
from tests.unit.images.test_fetch import serving

pytestmark = pytest.mark.long  # minutes of processor time

Start = Callable[..., Gateway]
CHAT, MODEL = "/v1/chat/completions", "deepseek-r1:1.5b"
ASK = "What colour is the picture?"
#: A console that takes a moment to read an image in, as all do: on a busy machine one that speaks at once may seem to
#: have written output before it had read its line, and then its job joins again.
READS = f"{FAST} --prefill-rate 1000"
VLM = {"BPU_CONSOLE_PROFILE": "vlm", "BPU_CONTINUE": "auto", "BPU_RESET": "auto", "BPU_CONSOLE_ARGS": READS}


def options(*more: str) -> dict[str, str]:
    return {**VLM, "BPU_CONSOLE_ARGS": " ".join([READS, *more])}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("gateway"), env=VLM) as started:
        yield started


def post(gateway: Gateway, body: Any, path: str = CHAT) -> Reply:
    return call(gateway, "POST", path, body)


def raw(gateway: Gateway, path: str, body: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Post a body as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    with closing(connection):
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def asked(gateway: Gateway, *messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    reply = post(gateway, {"model": MODEL, "messages": list(messages), **fields})
    assert reply.status == 200, reply.data
    return dict(reply.json)


def text(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def files(gateway: Gateway) -> list[str]:
    folder = gateway.state_dir / "images"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def no_file_is_left(gateway: Gateway) -> None:
    until(lambda: not files(gateway), seconds=20, what="no file is left")


def written(record: Path) -> list[str]:
    """The lines that the console has read, without the process ids."""
    return [line.partition(" ")[2] for line in record.read_text(errors="replace").splitlines()]


# The steps


@pytest.mark.parametrize("step", ["full", "marker", "statistics", "bare"])
def test_the_right_bytes_arrive_whatever_the_console_prints_between(start: Start, tmp_path: Path, step: str) -> None:
    record = tmp_path / "lines"
    gateway = start(env=options(f"--image-step {step} --record {record}"))
    for colour in (RED, GREEN):
        answer = asked(gateway, said(ASK, stripes(colour)))
        assert f"1 image: 448x448: {colour} 100 %" in text(answer)
        assert answer["timings"]["image_ms"] > 0
        assert ("vit_ms" in answer["timings"]) is (step in ("full", "statistics"))
    lines = [line for line in written(record) if line.startswith("/image") or ASK in line]
    assert len({line for line in lines if line.startswith("/image ")}) == 2
    for before, line in pairwise(lines):  # a job that joins again repeats both
        assert line.startswith("/image ") or before.startswith("/image ")
    assert ASK in lines[-1]
    no_file_is_left(gateway)


def test_a_chat_goes_on_without_sending_its_image_again(start: Start, tmp_path: Path) -> None:
    record = tmp_path / "lines"
    gateway = start(env=options(f"--record {record}"))
    chat: list[dict[str, Any]] = [said(ASK, stripes(RED))]
    for question in ("And which colour now?", said("The same picture?", stripes(RED))):
        answer = asked(gateway, *chat)
        chat.append({"role": "assistant", "content": text(answer)})
        chat.append({"role": "user", "content": question} if isinstance(question, str) else question)
    answer = asked(gateway, *chat)
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] > 2 * 256 - 256
    assert RED in text(answer)
    assert len({line for line in written(record) if line.startswith("/image")}) == 1


@pytest.mark.parametrize("change", ["other image", "other words", "new image"])
def test_another_image_or_other_words_begin_a_new_chat_with_it(gateway: Gateway, change: str) -> None:
    first = said(ASK, stripes(RED))
    answer: dict[str, Any] = {"role": "assistant", "content": text(asked(gateway, first))}
    chat = [first, answer, said("Which colours do you see?")]
    if change == "other image":
        chat[0] = said(ASK, stripes(BLUE))
    elif change == "other words":
        chat[0] = said("Another question about the image", stripes(RED))
    else:
        chat[2] = said("Which colours do you see?", stripes(YELLOW))
    found = asked(gateway, *chat)
    wanted = {"other image": [BLUE], "other words": [RED], "new image": [RED, YELLOW]}[change]
    assert found["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert [colour for colour in (RED, YELLOW, BLUE) if colour in text(found)] == wanted
    assert f"{len(wanted)} image" in text(found)


def test_several_images_go_in_one_line_in_their_order_and_equal_ones_once(start: Start, tmp_path: Path) -> None:
    record = tmp_path / "lines"
    gateway = start(env=options(f"--record {record}"))
    answer = asked(gateway, said(ASK, stripes(RED), stripes(BLUE), stripes(RED)))
    assert text(answer).index(RED) < text(answer).index(BLUE)
    assert "2 images" in text(answer)
    [line] = {line for line in written(record) if line.startswith("/image ")}
    assert line.count(",") == 1
    assert 2 * 256 < answer["usage"]["prompt_tokens"] < 2 * 256 + 60


# Other ways to send one


def test_every_api_takes_images(gateway: Gateway) -> None:
    data = base64_of(stripes(BLUE))
    source = {"type": "base64", "media_type": "image/png", "data": data}
    anthropic = [{"type": "image", "source": source}, {"type": "text", "text": ASK}]
    responses = [{"type": "input_image", "image_url": f"data:image/png;base64,{data}", "detail": "low"}]
    requests: dict[str, dict[str, Any]] = {
        "/v1/messages": {"max_tokens": 200, "messages": [{"role": "user", "content": anthropic}]},
        "/v1/responses": {"input": [{"role": "user", "content": [*responses, {"type": "input_text", "text": ASK}]}]},
        "/api/chat": {"stream": False, "messages": [{"role": "user", "content": ASK, "images": [data]}]},
        "/api/generate": {"stream": False, "prompt": ASK, "images": [data]},
    }
    for path, body in requests.items():
        reply = post(gateway, {"model": MODEL, **body}, path)
        assert reply.status == 200, (path, reply.data)
        assert f"448x448: {BLUE} 100 %" in reply.data.decode(), path


def test_an_image_in_the_result_of_a_tool_is_seen(gateway: Gateway) -> None:
    call_id = {"id": "call_1", "type": "function", "function": {"name": "camera", "arguments": "{}"}}
    chat: list[dict[str, Any]] = [
        {"role": "user", "content": "Use the camera."},
        {"role": "assistant", "content": None, "tool_calls": [call_id]},
        {"role": "tool", "tool_call_id": "call_1", "content": [image_part(stripes(GREEN))]},
        {"role": "user", "content": "What do you see?"},
    ]
    assert GREEN in text(asked(gateway, *chat))


def test_the_lists_of_models_say_that_it_sees(gateway: Gateway) -> None:
    [entry, *_] = gateway.json("GET", "/v1/models")["data"]
    assert entry["architecture"]["input_modalities"] == ["text", "image"]
    assert "vision" in entry["capabilities"]
    assert "vision" in gateway.json("POST", "/api/show", {"model": MODEL})["capabilities"]
    assert gateway.json("GET", "/props")["modalities"]["vision"] is True


def test_tokens_of_images_are_counted(gateway: Gateway) -> None:
    large = stripes(RED, size=(64, 64), form="BMP") + random.Random(1).randbytes(1 << 20)
    for images in ([stripes(RED)], [stripes(RED)] * 2, [stripes(RED), stripes(BLUE)], [large] * 2, [large, large[:-9]]):
        message = said(ASK, *images)
        body = {"model": MODEL, "messages": [message]}
        count = gateway.json("POST", f"{CHAT}/input_tokens", body)["input_tokens"]
        assert count == asked(gateway, message)["usage"]["prompt_tokens"]


def test_a_long_text_of_letters_alone_is_a_text(gateway: Gateway) -> None:
    text = "ab" * 60_000
    body: dict[str, Any] = {"model": MODEL, "messages": [said(text)]}
    assert text in gateway.json("POST", "/apply-template", body)["prompt"]
    assert post(gateway, body).error["code"] == "context_length_exceeded"
    counts = [
        gateway.json("POST", f"{CHAT}/input_tokens", body)["input_tokens"],
        gateway.json("POST", "/v1/messages/count_tokens", body)["input_tokens"],
    ]
    assert min(counts) > 4064


@pytest.mark.parametrize("path", [CHAT, f"{CHAT}/input_tokens", "/v1/messages/count_tokens", "/apply-template"])
def test_an_image_within_a_text_is_refused_where_its_data_is_left_out(gateway: Gateway, path: str) -> None:
    text = "data:image/bmp;base64," + base64_of(stripes(RED, size=(200, 200), form="BMP"))
    reply = post(gateway, {"model": MODEL, "messages": [said(text)]}, path)
    assert reply.status == 400
    assert "outside of an image" in reply.data.decode()


def test_an_image_is_fetched_from_a_listed_host_alone(start: Start) -> None:
    with serving() as (host, paths):
        gateway = start(env=VLM | {"BPU_IMAGE_URLS": host})
        part = {"type": "image_url", "image_url": {"url": f"http://{host}/cat.png"}}
        message = {"role": "user", "content": [part, {"type": "text", "text": ASK}]}
        assert RED in text(asked(gateway, message))
        assert paths == ["/cat.png"]
        part["image_url"] = {"url": f"http://localhost:{host.partition(':')[2]}/cat.png"}
        reply = post(gateway, {"model": MODEL, "messages": [message]})
        assert (reply.status, reply.error["param"]) == (400, "messages.0.content.0")
        assert paths == ["/cat.png"]


# Refusals


BAD: dict[str, tuple[Any, str]] = {
    "no image": ({"url": "data:image/png;base64,aGVsbG8="}, "no known type"),
    "SVG": ({"url": "data:image/svg+xml;base64," + base64_of(b"<svg xmlns='x'/>")}, "no known type"),
    "text": ({"url": "data:text/html;base64,aGk="}, "of an image type"),
    "no base64": ({"url": "data:image/png;base64,%%%"}, "not base64"),
    "plain data": ({"url": "data:image/png,abc"}, "must be base64"),
    "a file": ({"url": "file:///etc/passwd"}, "must be a data URL or the address"),
    "a path": ("/etc/passwd", "must be a data URL or the address"),
    "an address": ("http://127.0.0.1:1/x.png", "BPU_IMAGE_URLS"),
    "nothing": ({}, "needs its `image_url`"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_is_a_400_that_names_it(gateway: Gateway, name: str) -> None:
    value, words = BAD[name]
    content = [{"type": "text", "text": ASK}, {"type": "image_url", "image_url": value}]
    reply = post(gateway, {"model": MODEL, "messages": [{"role": "user", "content": content}]})
    assert reply.status == 400, reply.data
    assert words in reply.error["message"]
    assert reply.error["param"] == "messages.0.content.1"
    no_file_is_left(gateway)


def test_images_that_do_not_fit_are_the_typed_overflow(start: Start) -> None:
    gateway = start(env=options() | {"BPU_CONTEXT_SIZE": "1024"})
    colours = (RED, GREEN, BLUE, YELLOW)
    reply = post(gateway, {"model": MODEL, "messages": [said(ASK, *map(stripes, colours))]})
    assert reply.status == 400
    assert reply.error["code"] == "context_length_exceeded"
    assert "3 images" in text(asked(gateway, said(ASK, *map(stripes, colours[:3]))))


def test_the_oldest_images_that_do_not_fit_are_left_out_and_a_header_says_so(start: Start, tmp_path: Path) -> None:
    record = tmp_path / "lines"
    gateway = start(env=options(f"--record {record}") | {"BPU_CONTEXT_SIZE": "1024"})
    chat: list[dict[str, Any]] = []
    for colour in (RED, GREEN, BLUE):
        chat += [said(f"Picture {colour}", stripes(colour)), {"role": "assistant", "content": "Fine."}]
    reply = post(gateway, {"model": MODEL, "messages": [*chat, said("What do you see?", stripes(YELLOW))]})
    assert reply.status == 200, reply.data
    assert reply.headers["X-BPU-Images-Left-Out"] == "1"
    assert "3 images" in text(reply.json)
    assert RED not in text(reply.json)
    assert f"[image]\\nPicture {RED}" in record.read_text()
    assert f"[image 1]\\nPicture {GREEN}" in record.read_text()


def test_a_conversation_goes_on_beyond_sixteen_images(start: Start) -> None:
    gateway = start(env=options() | {"BPU_CONTEXT_SIZE": "1024"})
    chat: list[dict[str, Any]] = []
    for number in range(16):
        chat += [said(f"Frame {number}", stripes(f"#{number:02x}0000")), {"role": "assistant", "content": "Fine."}]
    reply = post(gateway, {"model": MODEL, "messages": [*chat, said("What do you see?", stripes(YELLOW))]})
    assert reply.status == 200, reply.data
    assert YELLOW in text(reply.json)
    assert int(reply.headers["X-BPU-Images-Left-Out"]) >= 14
    last = [said(ASK, *[stripes(RED)] * 17)]
    assert "more than 16 images" in post(gateway, {"model": MODEL, "messages": last}).error["message"]


def test_a_large_image_is_taken_within_its_own_limit_and_text_is_not(gateway: Gateway) -> None:
    noise = stripes(RED, size=(64, 64), form="BMP") + random.Random(1).randbytes(8 << 20)
    assert f"{RED} 100 %" in text(asked(gateway, said(ASK, noise)))
    assert post(gateway, {"model": MODEL, "messages": [said("no " * (2 << 20))]}).status == 413
    data = base64_of(noise)
    reply = post(gateway, {"model": MODEL, "messages": [{"role": "user", "content": data}]})
    assert reply.status == 400
    assert "outside of an image" in reply.error["message"]


@pytest.mark.parametrize("client", ["PHP", ".NET", "mail", "URL alphabet"])
def test_a_large_image_is_taken_as_clients_write_it(gateway: Gateway, client: str) -> None:
    noise = stripes(RED, size=(64, 64), form="BMP") + random.Random(1).randbytes(5 << 20)
    data = base64_of(noise)
    if client == "URL alphabet":
        data = data.replace("+", "-").replace("/", "_")
    elif client == "mail":
        data = base64.encodebytes(noise).decode().replace("\n", "\r\n")
    written = json.dumps(data)
    if client == "PHP":
        written = written.replace("/", "\\/")
    elif client == ".NET":
        written = written.replace("+", "\\u002B")
    head = json.dumps(
        {"model": MODEL, "stream": False, "messages": [{"role": "user", "content": ASK, "images": ["?"]}]}
    )
    status, _, body = raw(gateway, "/api/chat", head.replace('"?"', written).encode())
    assert status == 200, body
    assert f"{RED} 100 %" in body.decode()


def test_a_worker_does_not_grow_by_the_images_that_it_reads(start: Start) -> None:
    gateway = start(application="wsgi:app", env=VLM)  # without the recorder, which keeps bodies
    noise = stripes(RED, size=(64, 64), form="BMP") + random.Random(1).randbytes(11 << 20)
    body = {"model": MODEL, "messages": [said(ASK, noise)], "max_tokens": 5}
    post(gateway, body)
    workers, most = gateway.workers(), 0
    before = sum(worker.memory_info().rss for worker in workers)
    with ThreadPoolExecutor(3) as pool:
        replies = [pool.submit(post, gateway, body) for _ in range(3)]
        while not all(reply.done() for reply in replies):
            most = max(most, sum(worker.memory_info().rss for worker in workers))
    assert [reply.result().status for reply in replies] == [200] * 3
    assert most - before < 12 << 20  # each body has 15 MB


def test_the_limit_of_bodies_with_images_is_a_setting(start: Start) -> None:
    gateway = start(env=VLM | {"BPU_MAX_IMAGE_BODY_BYTES": "5000000"})
    noise = stripes(RED, form="BMP") + random.Random(1).randbytes(3_000_000)
    assert f"{RED} 100 %" in text(asked(gateway, said(ASK, noise)))
    assert post(gateway, {"model": MODEL, "messages": [said(ASK, noise + bytes(1_000_000))]}).status == 413


def test_a_model_that_reads_text_alone_names_those_that_see(start: Start, tmp_path: Path) -> None:
    table = tmp_path / "models.toml"
    entries = ('id = "text"\nprofile = "oellm_multichat"', 'id = "eyes"\nprofile = "vlm"\naliases = ["camera"]')
    table.write_text("".join(f"[[model]]\n{entry}\n" for entry in entries))
    gateway = start(env={"BPU_MODELS_FILE": str(table), "BPU_CONSOLE_ARGS": FAST})
    reply = post(gateway, {"model": "text", "messages": [said(ASK, stripes(RED))]})
    assert reply.status == 400
    assert "only supported by certain models" in reply.error["message"]
    assert "eyes, camera" in reply.error["message"]
    reply = post(gateway, {"model": "camera", "messages": [said(ASK, stripes(RED))]})
    assert RED in text(reply.json)


# Faults


@pytest.mark.parametrize("fault", ["hang@image", "image-no-prompt", "spin@image"])
def test_a_step_without_end_has_a_time_limit_of_its_own(start: Start, tmp_path: Path, fault: str) -> None:
    once = tmp_path / "once"
    gateway = start(env=options(f"--fault {fault} --fault-once {once}") | {"BPU_IMAGE_TIMEOUT_S": "1"})
    reply = post(gateway, {"model": MODEL, "messages": [said(ASK, stripes(RED))]})
    assert reply.status == 504, reply.data
    assert "did not read the image within 1 seconds" in reply.error["message"]
    no_file_is_left(gateway)
    assert GREEN in text(asked(gateway, said(ASK, stripes(GREEN))))


@pytest.mark.parametrize("fault", ["image-abort", "exit@image", "run-error@image", "signal=SEGV@image"])
def test_a_console_that_ends_in_the_step_is_an_error_and_the_next_job_works(
    start: Start, tmp_path: Path, fault: str
) -> None:
    gateway = start(env=options(f"--fault {fault} --fault-once {tmp_path / 'once'}"))
    reply = post(gateway, {"model": MODEL, "messages": [said(ASK, stripes(RED))]})
    assert reply.status == 502, reply.data
    no_file_is_left(gateway)
    assert GREEN in text(asked(gateway, said(ASK, stripes(GREEN))))


def test_an_image_that_the_console_cannot_read_does_not_stop_it(start: Start) -> None:
    gateway = start(env=options("--fault image-unreadable"))
    assert "448x448" not in text(asked(gateway, said(ASK, stripes(RED))))
    gateway.wait_for("ready")
    assert gateway.loads() == (1, {})


@pytest.mark.parametrize("words", ["/image", "/image ", "/image /etc/hostname", "/imagexyz", "regen", "reset", "exit"])
def test_a_question_never_becomes_a_command(gateway: Gateway, words: str) -> None:
    answer = asked(gateway, said(words))
    assert "simulator" in text(answer)
    assert "448x448" not in text(answer)


def test_text_with_an_image_is_not_cut_at_bytes_that_are_no_utf_8(start: Start, tmp_path: Path) -> None:
    record = tmp_path / "lines"
    gateway = start(env=options(f"--record {record}"))
    asked(gateway, said("half \ud83d of one, then 图 a picture", stripes(RED)))
    assert "half \ufffd of one, then 图 a picture" in record.read_text()


def test_a_prompt_that_is_printed_while_the_image_is_read_does_not_end_the_step(start: Start, tmp_path: Path) -> None:
    """The model may print what stands in an image: the question is not answered with what follows."""
    once = tmp_path / "once"
    gateway = start(env=options(f"--fault early-prompt@image --fault endless@image --fault-once {once}"))
    answer = asked(gateway, said(ASK, stripes(RED)))
    assert "and so on" not in text(answer)
    assert RED in text(answer)


# Leaks and privacy


def test_images_of_two_people_never_meet(start: Start) -> None:
    gateway = start(workers=2, reuse_port=True, env=VLM)
    levels = ("00", "33", "66", "99", "cc", "ff")
    colours = [f"#{red}{green}00" for red in levels for green in levels][1:]

    def ask(colour: str) -> tuple[str, str]:
        first = said(ASK, stripes(colour))
        answer = text(asked(gateway, first))
        follow = {"role": "user", "content": f"Which colour is the image, {colour[1:]}?"}
        return answer, text(asked(gateway, first, {"role": "assistant", "content": answer}, follow))

    with ThreadPoolExecutor(6) as pool:
        for colour, answers in zip(colours, pool.map(ask, colours), strict=True):
            for answer in answers:
                assert f"I see 1 image: 448x448: {colour} 100 %" in answer
    no_file_is_left(gateway)


def test_clients_that_leave_while_their_images_are_fetched_hold_no_place(start: Start) -> None:
    with serving() as (host, paths):
        gateway = start(env=VLM | {"BPU_IMAGE_URLS": host})
        part = {"type": "image_url", "image_url": {"url": f"http://{host}/slow"}}
        socks = [gateway.open_stream("", messages=[{"role": "user", "content": [part] * 3}]) for _ in range(5)]
        until(lambda: len(paths) == 2, what="two are fetched, the others wait")
        [worker] = gateway.workers()
        for sock in socks:
            sock.close()
        until(lambda: not worker.children(), seconds=9, what="no image is read any more")
        assert paths == ["/slow"] * len(paths)
        assert RED in text(asked(gateway, said(ASK, stripes(RED))))


def _leave(gateway: Gateway, colour: str, after_s: float) -> None:
    """Ask on a bare socket, read for a moment, and leave."""
    messages = [said(sim(ASK, tokens=200, rate=100), stripes(colour))]
    data = json.dumps({"model": MODEL, "stream": True, "messages": messages}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(data)}"
    with suppress(OSError), socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as sock:
        sock.sendall(f"{head}\r\n\r\n".encode() + data)
        sock.settimeout(after_s)
        while sock.recv(1 << 16):
            pass


def test_a_process_that_reads_images_ends_with_its_worker_and_has_nothing_else_of_it(start: Start) -> None:
    with serving() as (host, paths):
        gateway = start(env=VLM | {"BPU_IMAGE_URLS": host})
        part = {"type": "image_url", "image_url": {"url": f"http://{host}/slow"}}
        sock = gateway.open_stream("", messages=[{"role": "user", "content": [part]}])
        until(lambda: paths == ["/slow"], what="the image is fetched")
        [worker] = gateway.workers()
        [process] = worker.children()
        opened = [link.readlink() for link in Path(f"/proc/{process.pid}/fd").iterdir()]
        worker.kill()
        until(lambda: not process.is_running(), seconds=9, what="the process has ended with its worker")
        sock.close()
    kinds = sorted(path.name.partition(":")[0] for path in opened if path != Path(os.devnull))
    assert kinds == ["memfd", "memfd", "socket"]


def test_requests_that_find_no_place_for_their_images_are_refused_for_now(start: Start) -> None:
    """Two are fetched at a time, and each takes ten seconds to fail, so the last of nine waits too long."""
    with serving() as (host, paths):
        gateway = start(env=VLM | {"BPU_IMAGE_URLS": host})
        part = {"type": "image_url", "image_url": {"url": f"http://{host}/slow"}}
        socks = [gateway.open_stream("", messages=[{"role": "user", "content": [part]}]) for _ in range(8)]
        until(lambda: len(paths) == 2, what="both places are taken")
        reply = post(gateway, {"model": MODEL, "messages": [said(ASK, stripes(RED))]})
        assert (reply.status, reply.error["code"]) == (503, "overloaded")
        assert int(reply.headers["Retry-After"]) > 0
        for sock in socks:
            sock.close()


@pytest.mark.timeout(900)
def test_three_hundred_jobs_with_leaves_and_kills_leave_no_file_and_no_descriptor(start: Start) -> None:
    gateway = start(workers=2, reuse_port=True, env=VLM)
    chance = random.Random(17)
    for colour in (RED, GREEN, BLUE):  # so that everything that stays open is open
        asked(gateway, said(ASK, stripes(colour)))
    threads: list[threading.Thread] = []
    for number in range(300):
        kind = chance.random()
        if kind < 0.75:
            job = (gateway, chance.choice((RED, GREEN, BLUE)), chance.random() / 4)
            threads.append(threading.Thread(target=_leave, args=job))
            threads[-1].start()
            if chance.random() < 0.5:
                threads[-1].join()
        else:
            with suppress(OSError):
                post(gateway, {"model": MODEL, "messages": [said(ASK, stripes(RED))], "max_tokens": 5})
        if number % 60 == 30:
            victim = chance.choice(gateway.workers()[:1] + gateway.consoles()[:1])
            with suppress(psutil.Error):
                victim.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join()
    until(lambda: gateway.state() == "ready" and not gateway.slots()["waiting"], seconds=60, what="all jobs are over")
    assert RED in text(asked(gateway, said(ASK, stripes(RED))))
    no_file_is_left(gateway)
    for worker in gateway.workers():
        assert not [file.path for file in worker.open_files() if "/images/" in file.path]
        assert worker.num_fds() < 40
        assert not worker.children()


def test_no_image_is_logged(start: Start) -> None:
    gateway = start(env=VLM | {"BPU_LOG_PROMPTS": "1", "BPU_ACTIVITY": "bodies"})
    data = stripes(RED, BLUE, size=(67, 41))
    asked(gateway, said(ASK, data))
    assert base64.b64encode(data)[:60].decode() not in gateway.log
    assert "images/" not in gateway.log
    assert base64_of(data)[:60] not in str(gateway.json("GET", "/v1/activity"))


def test_a_killed_workers_files_are_removed_by_the_next_one(start: Start) -> None:
    gateway = start(env=VLM)
    sock = gateway.open_stream("", messages=[said(sim(ASK, tokens=2000, rate=20), stripes(RED))])
    until(lambda: files(gateway), what="the file of the running job")
    left, [worker] = files(gateway), gateway.workers()
    worker.kill()
    until(lambda: gateway.workers() and not files(gateway), what="the next worker has removed it")
    assert left
    assert worker not in gateway.workers()
    sock.close()
