"""A person shows the model pictures: attached, pasted, dropped; seen again later; only where the model sees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import CONSOLE, Start
from tests.browser.person import Visitor, sim
from tests.live.gateway import Gateway
from tests.support.pictures import BLUE, GREEN, RED, base64_of, stripes
from tests.support.waits import until

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
ASK = "What colour is the picture?"


@pytest.fixture
def eyes(start: Start) -> Gateway:
    """A gateway whose model sees."""
    return start(BPU_CONSOLE_PROFILE="vlm", BPU_CONSOLE_ARGS=CONSOLE)


def picture_file(folder: Path, colour: str, size: tuple[int, int] = (3000, 2000)) -> str:
    path = folder / f"{colour[1:]}.png"
    path.write_bytes(stripes(colour, size=size))
    return str(path)


def hand_over(visitor: Visitor, event: str, target: str, colour: str, text: str = "") -> bool:
    """Paste or drop a picture, as the browser does it; return whether the page takes it."""
    is_taken: bool = visitor.page.evaluate(
        """([name, target, data, text]) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "it.png", { type: "image/png" }));
          if (text) transfer.setData("text/plain", text);
          const given = name === "paste" ? { clipboardData: transfer } : { dataTransfer: transfer };
          const Kind = name === "paste" ? ClipboardEvent : DragEvent;
          const event = new Kind(name, { ...given, bubbles: true, cancelable: true });
          return !document.querySelector(target).dispatchEvent(event);
        }""",
        [event, target, base64_of(stripes(colour)), text],
    )
    return is_taken


def test_pictures_are_attached_pasted_and_dropped_and_seen_again(visit: Visit, eyes: Gateway, tmp_path: Path) -> None:
    visitor = visit(url=eyes.url)
    visitor.find("attach").wait_for()
    visitor.find("picture-file").set_input_files(picture_file(tmp_path, RED))
    visitor.find("attachment").nth(0).wait_for()
    hand_over(visitor, "paste", "#prompt", GREEN)
    visitor.find("attachment").nth(1).wait_for()
    hand_over(visitor, "drop", "#chat", BLUE)
    visitor.find("attachment").nth(2).wait_for()
    visitor.page.get_by_label("Describe this picture").first.fill("A red wall")
    sizes = visitor.page.locator(".attachments img").evaluate_all("all => all.map((one) => one.naturalWidth)")
    assert sizes == [1024, 64, 64]
    visitor.page.get_by_role("button", name="Remove this picture").nth(1).click()
    visitor.ask(ASK)
    answer = visitor.find("answer").inner_text()
    assert "2 images" in answer
    assert RED in answer
    assert BLUE in answer
    assert GREEN not in answer
    visitor.page.reload()
    shown = visitor.page.locator("[data-testid=picture] img")
    shown.nth(1).wait_for()
    assert shown.first.get_attribute("alt") == "A red wall"
    visitor.ask("And which colour do you see now?")
    assert RED in visitor.find("answer").inner_text()


def test_a_picture_is_taken_with_the_camera_where_the_browser_allows_it(visit: Visit, eyes: Gateway) -> None:
    """The browser's own test camera shows a green field; the address is one of this machine, so it may be used."""
    visitor = visit(url=eyes.url)
    visitor.context.grant_permissions(["camera"])
    visitor.find("attach").wait_for()
    visitor.page.get_by_role("button", name="Take a picture").click()
    visitor.page.get_by_role("dialog").get_by_role("button", name="Close").click()
    assert visitor.find("attachment").count() == 0
    visitor.page.get_by_role("button", name="Take a picture").click()
    visitor.find("shutter").click()
    visitor.find("attachment").wait_for()
    assert visitor.page.get_by_role("dialog").count() == 0
    visitor.ask(ASK)
    assert "1 image: 448x448" in visitor.find("answer").inner_text()


def test_where_the_camera_is_refused_a_file_is_asked_for(visit: Visit, eyes: Gateway) -> None:
    visitor = visit(url=eyes.url)
    visitor.find("attach").wait_for()
    with visitor.page.expect_file_chooser():
        visitor.page.get_by_role("button", name="Take a picture").click()


def test_a_text_that_is_on_the_clipboard_with_its_picture_is_pasted_as_text(visit: Visit, eyes: Gateway) -> None:
    visitor = visit(url=eyes.url)
    visitor.find("attach").wait_for()
    assert not hand_over(visitor, "paste", "#prompt", GREEN, text="1\t2")
    assert hand_over(visitor, "paste", "#prompt", GREEN)


def test_more_pictures_than_a_message_takes_are_named(visit: Visit, eyes: Gateway, tmp_path: Path) -> None:
    visitor = visit(url=eyes.url)
    visitor.find("attach").wait_for()
    colours = [f"#{number}00000" for number in range(9)]
    visitor.find("picture-file").set_input_files([picture_file(tmp_path, colour, size=(9, 9)) for colour in colours])
    visitor.page.get_by_text("takes eight pictures").wait_for()
    assert visitor.find("attachment").count() == 8


def test_a_picture_that_is_still_being_read_goes_with_its_message(visit: Visit, eyes: Gateway) -> None:
    visitor = visit(url=eyes.url)
    visitor.find("attach").wait_for()
    visitor.page.evaluate(
        """() => {
          const read = createImageBitmap;
          window.createImageBitmap = (...given) => new Promise((done) => setTimeout(() => done(read(...given)), 500));
        }"""
    )
    visitor.find("prompt").fill(ASK)
    hand_over(visitor, "paste", "#prompt", GREEN)
    visitor.find("prompt").press("Enter")
    visitor.find("answer").wait_for()
    visitor.wait_finished()
    assert GREEN in visitor.find("answer").inner_text()


def attach(visitor: Visitor, folder: Path, count: int) -> None:
    """Attach `count` small pictures, and wait until all that a message takes are there."""
    before = visitor.find("attachment").count()
    colours = [f"#{number}00000" for number in range(count)]
    visitor.find("picture-file").set_input_files([picture_file(folder, colour, size=(9, 9)) for colour in colours])
    visitor.find("attachment").nth(before + count - 1).wait_for()


def images_of(request: Any) -> int:
    """Return how many pictures the last message of a chat request has."""
    contents = request.post_data_json["messages"][-1]["content"]
    return sum(part["type"] == "image_url" for part in contents)


def test_messages_that_wait_together_take_eight_pictures(visit: Visit, eyes: Gateway, tmp_path: Path) -> None:
    """The pictures of the message that waits count; taking it back leaves those that were attached since."""
    visitor = visit(url=eyes.url)
    visitor.find("attach").wait_for()
    visitor.send(sim(tokens=600, rate=20))
    visitor.find("stop").wait_for()
    attach(visitor, tmp_path, 5)
    visitor.send("five")
    attach(visitor, tmp_path, 2)
    visitor.page.get_by_role("button", name="Take back").click()
    visitor.find("attachment").nth(6).wait_for()
    visitor.send("seven")
    attach(visitor, tmp_path, 1)
    visitor.find("picture-file").set_input_files(picture_file(tmp_path, RED, size=(9, 9)))
    visitor.page.get_by_text("takes eight pictures").wait_for()
    assert visitor.find("attachment").count() == 1
    visitor.send("eight")
    visitor.page.reload()
    visitor.find("next").wait_for()
    visitor.find("stop").click()
    visitor.find("attachment").nth(7).wait_for()
    with visitor.page.expect_request("**/v1/chat/completions") as request:
        visitor.find("send").click()
    assert images_of(request.value) == 8
    visitor.wait_finished()


def test_pictures_of_a_draft_stay_with_it(visit: Visit, eyes: Gateway, tmp_path: Path) -> None:
    visitor = visit(url=eyes.url)
    visitor.ask("Hello")
    attach(visitor, tmp_path, 2)
    visitor.page.get_by_label("Describe this picture").first.fill("A red wall")
    visitor.find("new-chat").click()
    assert visitor.find("attachment").count() == 0
    visitor.page.reload()
    visitor.find("conversation").click()
    visitor.find("attachment").nth(1).wait_for()
    assert visitor.page.get_by_label("Describe this picture").first.input_value() == "A red wall"
    shown = visitor.page.locator(".attachments img")
    until(lambda: shown.evaluate_all("all => all.map((one) => one.naturalWidth)") == [9, 9], what="both are shown")
    visitor.find("conversation").hover()
    visitor.page.get_by_role("button", name="Delete:").click()
    assert visitor.find("attachment").count() == 0
    visitor.find("undo").click()
    visitor.find("attachment").nth(1).wait_for()
    with visitor.page.expect_request("**/v1/chat/completions") as request:
        visitor.find("send").click()
    assert images_of(request.value) == 2
    visitor.wait_finished()


def test_a_picture_alone_asks_what_is_in_it(visit: Visit, eyes: Gateway, tmp_path: Path) -> None:
    visitor = visit(url=eyes.url)
    visitor.find("attach").wait_for()
    assert visitor.find("send").is_disabled()
    visitor.find("picture-file").set_input_files(picture_file(tmp_path, GREEN, (40, 40)))
    visitor.find("attachment").wait_for()
    visitor.find("send").click()
    visitor.page.get_by_text("What do you see in this picture?").first.wait_for()
    visitor.page.locator("[data-testid=answer]", has_text=GREEN).wait_for()


def test_a_file_that_is_no_picture_is_named(visit: Visit, eyes: Gateway, tmp_path: Path) -> None:
    visitor = visit(url=eyes.url)
    visitor.find("attach").wait_for()
    (tmp_path / "notes.png").write_text("no picture")
    visitor.find("picture-file").set_input_files(str(tmp_path / "notes.png"))
    visitor.page.get_by_text("no picture that the browser can read").wait_for()
    assert visitor.find("attachment").count() == 0


def test_a_model_that_reads_text_alone_offers_no_pictures(visitor: Visitor) -> None:
    visitor.ask("hello")
    assert visitor.find("attach").is_hidden()
    hand_over(visitor, "paste", "#prompt", RED)
    assert visitor.find("attachment").count() == 0
