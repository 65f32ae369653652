"""Archives that a stranger has made: nothing comes to lie outside the folder, and nothing is left of them."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpu.models.unpack import MOST_ENTRIES, BadArchive, unpack

MOST = 1 << 20


def member(name: str, data: bytes = b"data", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def link(name: str, target: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, b"", type=kind, linkname=target)


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w:gz", format=form) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


def test_files_and_folders_come_out(tmp_path: Path) -> None:
    made = archive(
        tmp_path / "a.tgz",
        member("m", b"", type=tarfile.DIRTYPE),
        member("m/model.hbm", b"x" * 3000, mode=0o4777),
        member("./m/tokenizer/tokenizer.json", b"{}"),
        member("m/empty", b""),
    )
    reported: list[int] = []
    unpack(made, tmp_path / "out", most_bytes=MOST, progress=reported.append)
    assert (tmp_path / "out/m/model.hbm").read_bytes() == b"x" * 3000
    assert (tmp_path / "out/m/model.hbm").stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / "out/m/tokenizer/tokenizer.json").read_bytes() == b"{}"
    assert reported[-1] == 3002


BAD: dict[str, Callable[[], list[tuple[tarfile.TarInfo, bytes]]]] = {
    "absolute": lambda: [member("/etc/x")],
    "parent": lambda: [member("../x")],
    "hidden parent": lambda: [member("a/../../x")],
    "parent inside": lambda: [member("a/../b")],
    "backslash": lambda: [member("..\\x")],
    "control": lambda: [member("a\nb")],
    "no name": lambda: [member("./")],
    "long": lambda: [member("a" * 201)],
    "deep": lambda: [member("/".join("abcdefghij"))],
    "symbolic link": lambda: [link("a", "/etc", tarfile.SYMTYPE), member("a/x")],
    "link inside": lambda: [link("a", "b", tarfile.SYMTYPE)],
    "hard link": lambda: [link("a", "/etc/passwd", tarfile.LNKTYPE)],
    "device": lambda: [member("a", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "fifo": lambda: [member("a", b"", type=tarfile.FIFOTYPE)],
    "twice": lambda: [member("a"), member("a")],
    "twice by another way": lambda: [member("a/b"), member("./a//b")],
    "file then folder": lambda: [member("a"), member("a/b")],
    "too many": lambda: [member(f"f{n}", b"") for n in range(MOST_ENTRIES + 1)],
    "too much": lambda: [member("a", b"0" * (MOST + 1))],
    "too much in all": lambda: [member(f"f{n}", b"0" * (MOST // 4)) for n in range(5)],
    "huge header": lambda: [member("a", pax_headers={"comment": "x" * (3 << 20)})],
}


@pytest.mark.parametrize("kind", BAD)
def test_what_does_not_belong_into_an_archive_of_a_model_is_refused(tmp_path: Path, kind: str) -> None:
    made = archive(tmp_path / "a.tgz", member("good.hbm"), *BAD[kind]())
    with pytest.raises((BadArchive, OSError)):
        unpack(made, tmp_path / "in" / "out", most_bytes=MOST)
    assert {path.name for path in tmp_path.rglob("*")} == {"a.tgz", "in"}


def test_a_bomb_is_not_written(tmp_path: Path) -> None:
    """A gigabyte of zeros in a megabyte of archive; the header of the second claims even more."""
    info = tarfile.TarInfo("a")
    info.size = 1 << 30
    path = tmp_path / "a.tgz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(info.tobuf())
        for _ in range(64):
            file.write(bytes(1 << 20))
    with pytest.raises(BadArchive, match="more than"):
        unpack(path, tmp_path / "out", most_bytes=MOST)
    info.size = 1 << 62
    with gzip.open(path, "wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(BadArchive, match="more than"):
        unpack(path, tmp_path / "out", most_bytes=MOST)
    assert not (tmp_path / "out").exists()


def test_a_sparse_file_is_no_way_around_the_limit(tmp_path: Path) -> None:
    headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "a",
        "GNU.sparse.realsize": "9" * 15,
    }
    made = archive(tmp_path / "a.tgz", member("a", b"1\n0\n100\n".ljust(512, b"\0"), pax_headers=headers))
    with pytest.raises(BadArchive):
        unpack(made, tmp_path / "out", most_bytes=MOST)


@pytest.mark.parametrize("cut", [0, 1, 10, 100, -1, -10])
def test_a_cut_archive_is_refused(tmp_path: Path, cut: int) -> None:
    path = archive(tmp_path / "a.tgz", member("a", bytes(range(256)) * 100))
    data = path.read_bytes()
    path.write_bytes(data[:cut])
    with pytest.raises(BadArchive):
        unpack(path, tmp_path / "out", most_bytes=MOST)
    assert not (tmp_path / "out").exists()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.integers(0, 3000), st.integers(0, 255))
def test_whatever_the_bytes_are_the_end_is_a_refusal_or_files_inside(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("u")
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for info, content in (member("a/b", b"1" * 700), member("c", b"2")):
            tar.addfile(info, io.BytesIO(content))
    data = bytearray(raw.getvalue()[:3072])
    data[at % len(data)] = value
    (folder / "a.tgz").write_bytes(gzip.compress(bytes(data) + junk))
    try:
        unpack(folder / "a.tgz", folder / "out", most_bytes=MOST)
    except (BadArchive, OSError):
        assert not (folder / "out").exists()
    assert {path.name for path in folder.iterdir()} <= {"a.tgz", "out"}
    assert not any(path.is_symlink() for path in folder.rglob("*"))
