"""The process that reads images: its results in order, its refusals by number, and its limits."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import psutil
import pytest

from bpu.errors import BpuError, Overloaded
from bpu.images import reader as reader_module
from bpu.images.data import ImageData
from bpu.images.reader import AT_ONCE, ImageReader, ImageRefused, Picture, Source
from bpu.project import IMPORT_ROOT
from tests.support.pictures import BLUE, RED, base64_of, stripes
from tests.unit.images.test_decode import HOSTILE


def read(reader: ImageReader, *texts: bytes, side: int = 64) -> list[Picture]:
    """Read images from their base64 texts."""
    with ImageData() as data:
        return reader.read([Source(spans=[data.append(text)]) for text in texts], side, data)


def encoded(data: bytes) -> bytes:
    return base64_of(data).encode()


def test_images_come_back_in_order_with_the_digests_of_their_bytes() -> None:
    files = [stripes(RED), stripes(BLUE, form="JPEG")]
    found = read(ImageReader(), *map(encoded, files))
    assert [one.digest for one in found] == [hashlib.sha256(one).hexdigest() for one in files]
    assert [one.file[:2] for one in found] == [b"BM", b"BM"]
    assert found[0].file[54:57] == b"\x00\x00\xff"  # the first pixel: blue, green, red
    assert found[1].file[54] > 200


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.rstrip("="),
        lambda text: f"{text[:9]}\\r\\n{text[9:]}",
        lambda text: text.replace("/", "\\/").replace("+", "\\u002b"),
    ],
)
def test_base64_is_taken_in_its_usual_variants(change) -> None:  # type: ignore[no-untyped-def]
    text = change(base64_of(stripes(RED)))
    assert read(ImageReader(), text.encode())
    with ImageData() as data:
        spans = [data.append(text[:10].encode()), data.append(text[10:].encode())]
        assert ImageReader().read([Source(spans=spans)], 64, data)
    if "\\" not in text:
        assert read(ImageReader(), text.replace("+", "-").replace("/", "_").encode())


def test_the_refused_image_is_named_by_its_number() -> None:
    with pytest.raises(ImageRefused, match=r"broken|no known type") as error:
        read(ImageReader(), encoded(stripes(RED)), encoded(b"nothing"))
    assert error.value.index == 1


@pytest.mark.parametrize("text", [b"", b"====", b"a", b"%%%%", "é".encode(), b"\\", b'AA"', b"\\u00", b"\\u00e9"])
def test_what_is_no_base64_is_refused(text: bytes) -> None:
    with pytest.raises(ImageRefused, match=r"not base64|empty"):
        read(ImageReader(), text)


def test_hostile_files_are_refused_and_the_memory_of_this_process_stays_flat() -> None:
    reader, own = ImageReader(), psutil.Process()
    before = own.memory_info().rss
    for name, data in HOSTILE.items():
        with pytest.raises(ImageRefused):
            read(reader, encoded(data), side=448)
        assert not own.children(recursive=True), name
    assert own.memory_info().rss - before < 100 << 20


def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageRefused, match="takes too long"):
        read(ImageReader(limit_s=0.001), encoded(stripes(RED)))
    assert not psutil.Process().children(recursive=True)


def test_a_process_that_cannot_run_is_the_gateways_fault_not_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(BpuError, match="could not run"):
        read(ImageReader(), encoded(stripes(RED)))


def test_a_worker_never_loads_the_decoders() -> None:
    program = (
        "import sys, app, bpu.web.factory; print([name for name in sys.modules if name.partition('.')[0] == 'PIL'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=IMPORT_ROOT)
    assert done.stdout == "[]\n"


def test_a_request_that_finds_no_place_is_refused_for_now(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = ImageReader(wait_s=0)
    places = [reader._place() for _ in range(AT_ONCE)]
    for place in places:
        place.__enter__()
    with pytest.raises(Overloaded, match="try again") as error:
        read(reader, encoded(stripes(RED)))
    assert error.value.retry_after
    for place in places:
        place.__exit__(None, None, None)
    assert read(reader, encoded(stripes(RED)))


def test_a_file_that_takes_too_much_processor_time_is_named_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest photo in the worst form is stopped by a limit that a small image keeps."""
    slow = stripes(RED, BLUE, size=(5000, 5000), form="WEBP", lossless=True)
    program = "import bpu.images.process as process; process.IMAGE_CPU_S = 0.12; "
    monkeypatch.setattr(reader_module, "_PROGRAM", reader_module._PROGRAM.replace("from bpu", f"{program}from bpu", 1))
    with pytest.raises(ImageRefused, match="takes too long") as error:
        read(ImageReader(), encoded(stripes(RED)), encoded(slow), side=448)
    assert error.value.index == 1
