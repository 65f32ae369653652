"""The simulator's image console: what it sees of a file, how long it keeps it, and each oddity of its source."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from bpu.images.decode import to_square
from bpu.simulator import images
from tests.support.pictures import BLUE, GREEN, RED, stripes
from tests.unit.simulator.program import PROMPT, Program

ASK = "What colour is the picture?"


def picture(folder: Path, *colours: str, side: int = 448) -> str:
    path = folder / f"{colours[0][1:]}.bmp"
    path.write_bytes(to_square(stripes(*colours), side))
    return str(path)


def test_it_reports_size_and_main_colours_of_the_file(tmp_path: Path) -> None:
    found = images.read(picture(tmp_path, RED, RED, RED, BLUE, side=64))
    assert found is not None
    assert (found.width, found.height) == (64, 64)
    assert [colour for colour, _ in found.colours][:2] == [RED, BLUE]
    assert 70 <= found.colours[0][1] <= 76


@pytest.mark.parametrize("data", [b"", b"BM", b"no image", bytes(100), b"BM" + bytes(60)])
def test_any_other_file_is_none_that_it_can_read(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert images.read(str(path)) is None
    assert images.read(str(tmp_path / "missing")) is None


def test_an_image_stays_in_the_chat_until_another_one_or_a_reset(tmp_path: Path) -> None:
    red, blue = picture(tmp_path, RED), picture(tmp_path, BLUE)
    with Program("--profile", "vlm") as program:
        program.ready()
        program.ask(f"/image {red}")
        assert RED in program.ask(ASK)
        assert RED in program.ask(ASK)
        program.ask(f"/image {blue},{red}")
        answer = program.ask(ASK)
        assert answer.index(BLUE) < answer.index(RED)
        program.ask("reset")
        assert "448x448" not in program.ask(ASK)


FULL = (
    r"\n\[Assistant\] >>> \n\n\x1b\[38;2;0;128;255m===== vit cost: [\d.]+ ms, vit infer cost: [\d.]+ ms =====\n"
    r"(?:\x1b\[[\d;]*m)?===== prefill token num: 256 .*\n===== decode token num: 0 .*\n\x1b\[0m\n\[User\] <<< "
)


def test_what_comes_between_an_image_and_its_prompt_is_an_option(tmp_path: Path) -> None:
    path = picture(tmp_path, GREEN)
    shown = {}
    for step in ("full", "marker", "statistics", "bare"):
        with Program("--profile", "vlm", "--image-step", step) as program:
            program.ready()
            shown[step] = program.ask(f"/image {path}")
    assert re.fullmatch(FULL, shown["full"])
    assert shown["marker"] == f"\n[Assistant] >>> {PROMPT.decode()}"
    assert "vit cost" in shown["statistics"]
    assert "[Assistant]" not in shown["statistics"]
    assert shown["bare"] == PROMPT.decode()


def test_a_line_of_the_command_alone_ends_the_program() -> None:
    with Program("--profile", "vlm") as program:
        program.ready()
        program.send("/image")
        assert program.end() == -signal.SIGABRT
        assert b"out_of_range" in program.err


def test_a_command_without_a_path_loads_nothing_and_prints_no_prompt() -> None:
    with Program("--profile", "vlm") as program:
        program.ready()
        program.send("/image ")
        program.send("exit")
        assert program.end() == 0
        assert PROMPT not in program.out


def test_a_file_that_cannot_be_read_is_left_out_and_the_prompt_returns() -> None:
    with Program("--profile", "vlm") as program:
        program.ready()
        assert program.ask("/image /nowhere/x.bmp").endswith(PROMPT.decode())
        assert "448x448" not in program.ask(ASK)
        assert b"can't open/read file" in program.err


def test_a_path_is_cut_at_the_first_byte_that_is_no_utf_8(tmp_path: Path) -> None:
    path = picture(tmp_path, RED)
    with Program("--profile", "vlm") as program:
        program.ready()
        program.send(b"/image " + path.encode() + b"\xff.png")
        program.until(PROMPT)
        assert RED in program.ask(ASK)
