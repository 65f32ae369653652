"""Downloads from a server that cuts, stalls, lies about lengths and versions, and sends another file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpu.models.download import ATTEMPTS, Downloader, DownloadFailed, md5_from_list
from tests.unit.models.hostile_server import Act, serving

BODY = bytes(range(256)) * 4000
SHA = hashlib.sha256(BODY).hexdigest()
MOST = 10 << 20


@pytest.fixture
def downloader() -> Iterator[Downloader]:
    """It waits as little as a test may, and no moment between its attempts."""
    made = Downloader(connect_timeout_s=5, read_timeout_s=0.3, sleep=lambda seconds: None)
    yield made
    made.close()


def get(downloader: Downloader, url: str, folder: Path, *, sha: str = SHA, most: int = MOST) -> Path:
    target = folder / "model.hbm"
    downloader.file(f"{url}/a/model.hbm", target, {"sha256": sha}, most_bytes=most)
    return target


def refused(downloader: Downloader, url: str, folder: Path, **options: object) -> str:
    with pytest.raises(DownloadFailed) as caught:
        get(downloader, url, folder, **options)  # type: ignore[arg-type]
    assert not (folder / "model.hbm").exists()
    return str(caught.value)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_comes_whole_and_alone(downloader: Downloader, tmp_path: Path) -> None:
    reported: list[tuple[int, int | None]] = []
    with serving(BODY) as server:
        downloader.file(
            f"{server.base}/m", tmp_path / "m", {"sha256": SHA}, most_bytes=MOST,
            progress=lambda done, total: reported.append((done, total)),
        )  # fmt: skip
    assert (tmp_path / "m").read_bytes() == BODY
    assert names(tmp_path) == {"m"}
    assert reported[-1] == (len(BODY), len(BODY))
    assert reported == sorted(reported)


@pytest.mark.parametrize("then", ["close", "reset", "stall"])
def test_a_cut_download_goes_on_where_it_ended(downloader: Downloader, tmp_path: Path, then: str) -> None:
    acts = [Act(sends=100_000, then=then), Act(sends=200_000, then=then), Act(sends=0, then=then)]
    with serving(BODY, *acts) as server:
        assert get(downloader, server.base, tmp_path).read_bytes() == BODY
        asked = [next((line for line in head.splitlines() if line.startswith("Range")), "") for head in server.requests]
    assert asked[0] == ""
    # What a reset connection had brought may be lost with it: it goes on where the disk ends, never behind.
    offsets = [int(line.removeprefix("Range: bytes=").rstrip("-")) if line else 0 for line in asked]
    assert offsets == sorted(offsets)
    assert len(offsets) == 4
    if then != "reset":
        assert offsets == [0, 100_000, 300_000, 300_000]


def test_a_later_run_goes_on_where_the_first_ended(downloader: Downloader, tmp_path: Path) -> None:
    with serving(BODY, *[Act(sends=1000), *[Act(sends=0)] * ATTEMPTS]) as server:
        assert "ended early" in refused(downloader, server.base, tmp_path)
        assert names(tmp_path) == {"model.hbm.part", "model.hbm.part.json"}
        assert get(downloader, server.base, tmp_path).read_bytes() == BODY
        assert "Range: bytes=1000-" in server.requests[-1]


def test_a_server_without_ranges_begins_anew(downloader: Downloader, tmp_path: Path) -> None:
    with serving(BODY, Act(sends=1000), Act(ranges=False)) as server:
        assert get(downloader, server.base, tmp_path).read_bytes() == BODY


def test_two_versions_are_never_mixed(downloader: Downloader, tmp_path: Path) -> None:
    other = BODY[::-1]
    with serving(BODY, Act(sends=1000, body=other, head={"ETag": '"zero"'})) as server:
        assert get(downloader, server.base, tmp_path).read_bytes() == BODY


def test_a_part_that_was_not_asked_for_is_not_taken(downloader: Downloader, tmp_path: Path) -> None:
    wrong = Act("206 Partial Content", head={"Content-Range": f"bytes 5-{len(BODY)}/{len(BODY)}"}, ranges=False)
    with serving(BODY, Act(sends=1000), wrong) as server:
        assert get(downloader, server.base, tmp_path).read_bytes() == BODY
        assert "Range:" not in server.requests[-1]


@pytest.mark.parametrize("claimed", ["10", str(len(BODY) + 1), "-1", "many", "", "9" * 30])
def test_a_lie_about_the_length_never_becomes_the_file(downloader: Downloader, tmp_path: Path, claimed: str) -> None:
    lies = [Act(head={"Content-Length": claimed})] * (ATTEMPTS + 2)
    with serving(BODY, *lies) as server:
        try:
            assert get(downloader, server.base, tmp_path).read_bytes() == BODY
        except DownloadFailed:
            assert "model.hbm" not in names(tmp_path)


def test_a_wrong_checksum_deletes_what_came(downloader: Downloader, tmp_path: Path) -> None:
    with serving(BODY, Act(body=b"another file")) as server:
        assert "SHA256 of the file is not" in refused(downloader, server.base, tmp_path)
        assert names(tmp_path) == set()
        assert get(downloader, server.base, tmp_path).read_bytes() == BODY


def test_more_than_the_disk_holds_is_not_written(downloader: Downloader, tmp_path: Path) -> None:
    with serving(BODY) as server:
        assert "more than the 1000" in refused(downloader, server.base, tmp_path, most=1000)
        assert not (tmp_path / "model.hbm.part").exists()
    with serving(BODY, Act(head={"Content-Length": ""})) as server:
        assert "more than the 1000 bytes" in refused(downloader, server.base, tmp_path, most=1000)
        assert (tmp_path / "model.hbm.part").stat().st_size <= 1000


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "401 Unauthorized"])
def test_what_is_not_there_is_asked_for_once(downloader: Downloader, tmp_path: Path, status: str) -> None:
    with serving(BODY, *[Act(status)] * 3) as server:
        assert status[:3] in refused(downloader, server.base, tmp_path)
        assert len(server.requests) == 1


def test_a_server_in_trouble_is_asked_again_and_not_for_ever(downloader: Downloader, tmp_path: Path) -> None:
    with serving(BODY, Act("503 Busy"), Act("500 No")) as server:
        assert get(downloader, server.base, tmp_path).read_bytes() == BODY
    with serving(BODY, *[Act("503 Busy")] * 20) as server:
        assert "HTTP 503" in refused(downloader, server.base, tmp_path / "..")
        assert len(server.requests) == ATTEMPTS


def test_an_address_without_a_server_fails(downloader: Downloader, tmp_path: Path) -> None:
    with serving(BODY) as server:
        base = server.base
    assert "refused" in refused(downloader, base, tmp_path).lower()


def test_redirects_are_followed_a_few_times_and_to_the_web_alone(downloader: Downloader, tmp_path: Path) -> None:
    with serving(BODY, Act("302 Found", {"Location": "/elsewhere"}, sends=0)) as server:
        assert get(downloader, server.base, tmp_path).read_bytes() == BODY
        assert server.requests[1].startswith("GET /elsewhere ")
    with serving(BODY, *[Act("302 Found", {"Location": "/again"}, sends=0)] * 20) as server:
        assert "too many redirects" in refused(downloader, server.base, tmp_path / "..")
    with serving(BODY, Act("302 Found", {"Location": "file:///etc/passwd"}, sends=0)) as server:
        assert "not followed" in refused(downloader, server.base, tmp_path / "..")


def test_a_connection_that_only_drips_is_given_up(tmp_path: Path) -> None:
    clock = iter(range(0, 10_000_000, 1000))
    slow = Downloader(read_timeout_s=2, sleep=lambda seconds: None, clock=lambda: float(next(clock)))
    with serving(BODY, *[Act(sends=50, then="stall")] * 20) as server:
        assert "slower than" in refused(slow, server.base, tmp_path)
    slow.close()


def test_a_list_that_only_drips_or_never_ends_is_given_up(tmp_path: Path) -> None:
    clock = iter(range(0, 10_000_000, 1000))
    slow = Downloader(read_timeout_s=2, sleep=lambda seconds: None, clock=lambda: float(next(clock)))
    with (
        serving(BODY, Act(sends=50, then="stall")) as server,
        pytest.raises(DownloadFailed, match="not complete after"),
    ):
        slow.text(server.base)
    with serving(b"x" * (2 << 20)) as server, pytest.raises(DownloadFailed, match="longer than"):
        Downloader(read_timeout_s=2).text(server.base)
    slow.close()


@pytest.mark.parametrize("note", ["", "{", "[]", '{"version": 1}', '{"version": "x", "total": "many"}'])
def test_a_broken_note_begins_anew(downloader: Downloader, tmp_path: Path, note: str) -> None:
    (tmp_path / "model.hbm.part").write_bytes(b"what is this")
    (tmp_path / "model.hbm.part.json").write_text(note)
    with serving(BODY) as server:
        assert get(downloader, server.base, tmp_path).read_bytes() == BODY


def test_a_part_that_is_longer_than_the_file_begins_anew(downloader: Downloader, tmp_path: Path) -> None:
    (tmp_path / "model.hbm.part").write_bytes(BODY + b"more")
    (tmp_path / "model.hbm.part.json").write_text(f'{{"version": "\\"one\\"", "total": {len(BODY)}}}')
    with serving(BODY) as server:
        assert get(downloader, server.base, tmp_path).read_bytes() == BODY


# Lists of checksums

ONE, TWO = "0" * 31 + "1", "0" * 31 + "2"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{ONE}  model.hbm\n", ONE),
        (f"{ONE} *./w4/model.hbm\r\n", ONE),
        (f"{ONE}  w8/model.hbm\n{TWO}  w4/model.hbm\n", TWO),
        (f"{TWO}  w4/model.hbm\n{ONE}  w8/model.hbm\n", TWO),
        (f"{ONE}  other.hbm\n", None),
        (f"{ONE[:-1]}  model.hbm\n", None),
        ("<html>", None),
        ("", None),
    ],
)
def test_the_line_that_agrees_most_with_the_address_counts(text: str, found: str | None) -> None:
    assert md5_from_list(text, "https://host/x/w4/model.hbm") == found


@given(st.text())
def test_any_list_can_be_read(text: str) -> None:
    assert md5_from_list(text, "https://host/model.hbm") is None or "model.hbm" in text
