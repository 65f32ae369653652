"""Gets one model of the catalogue onto the disk: space, addresses, checksums, unpacking. It prints nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from bpu.errors import EngineUnavailable, SettingsError
from bpu.messages import say
from bpu.models.catalogue import File, Row
from bpu.models.download import Checksums, Downloader, DownloadFailed, digest_of, listed_md5
from bpu.models.unpack import BadArchive, unpack
from bpu.settings import Settings, data_dir

#: Bytes of the disk that a download leaves free.
LEFT_FREE = 256 << 20
#: An unpacked model is hardly larger than its archive, whose weights do not compress.
UNPACKED_MOST = 1.3
Stage = Literal["file", "check", "unpack"]
Progress = Callable[[Stage, str, int, "int | None"], None]


class PullFailed(EngineUnavailable):
    """A model could not be downloaded, or is not what it should be."""

    code = "pull"


@dataclass(frozen=True)
class Pulled:
    """A model on the disk. `proof` says what its checksums prove."""

    hbm: Path
    proof: Literal["sha256", "md5", "none"]


def models_folder(settings: Settings) -> Path:
    return data_dir(settings) / "models"


def address(file: File, mirror: str) -> str:
    """Where the file is had: at its own address, or by its path there below the mirror's."""
    return f"{mirror}{urlsplit(file.url).path}" if mirror else file.url


def refuse(row: Row, settings: Settings) -> None:
    """Raise `SettingsError` for what is never downloaded."""
    if settings.model_offline:
        raise SettingsError(say("pull.offline"))
    if not row.pull:
        raise SettingsError(say("pull.not_pulled", id=row.id, why=say(f"pull.why_{row.why}"), source=row.source))


def pull(
    row: Row,
    folder: Path,
    settings: Settings,
    downloader: Downloader,
    *,
    unchecked: bool = False,
    progress: Progress = lambda stage, name, done, total: None,
) -> Pulled:
    """Download the files of `row` into `folder`, check and unpack them. Raises `PullFailed` and `SettingsError`."""
    refuse(row, settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            return _pull(row, folder, settings, downloader, unchecked, progress)
    except DownloadFailed as error:
        raise PullFailed(say("pull.failed", reason=error)) from None
    except BadArchive as error:
        raise PullFailed(say("pull.bad_archive", name=row.file[0].name, reason=error)) from None
    except OSError as error:
        raise PullFailed(say("pull.disk", folder=folder, reason=error.strerror or error)) from None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other downloads out of the folder: two would write one file. The kernel frees it with the process."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PullFailed(say("pull.busy", folder=folder)) from None
        yield
    finally:
        os.close(descriptor)


def _pull(
    row: Row, folder: Path, settings: Settings, downloader: Downloader, unchecked: bool, progress: Progress
) -> Pulled:
    """The same, in a folder that no other process writes to."""
    hbm = _first_model(row, folder) if row.archive else None
    if hbm is not None:
        # An archive is deleted once it is unpacked, which happens only after its check.
        return Pulled(hbm, _proof([file.sha256 for file in row.file]))
    _check_space(row, folder)
    kinds = [_one(file, row, folder, settings, downloader, unchecked, progress) for file in row.file]
    if row.archive:
        _unpack(folder / row.file[0].name, folder, progress)
    hbm = _first_model(row, folder)
    if hbm is None:
        raise PullFailed(say("pull.no_model_inside", name=row.hbm))
    return Pulled(hbm, "sha256" if all(kind == "sha256" for kind in kinds) else "md5" if all(kinds) else "none")


def _first_model(row: Row, folder: Path) -> Path | None:
    return next(iter(sorted(folder.rglob(row.hbm))), None)


def _proof(digests: list[str | None]) -> Literal["sha256", "md5", "none"]:
    return "sha256" if all(digests) else "md5"


def _check_space(row: Row, folder: Path) -> None:
    free = shutil.disk_usage(folder).free - LEFT_FREE
    there = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    wanted = (row.bytes or 0) * ((1 + UNPACKED_MOST) if row.archive else 1) - there
    if wanted > free:
        raise PullFailed(say("pull.no_space", folder=folder, needed=_gb(wanted), free=_gb(max(free, 0))))


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _one(
    file: File, row: Row, folder: Path, settings: Settings, downloader: Downloader, unchecked: bool, progress: Progress
) -> str:
    """The kind of checksum that the file was checked by; "" for none."""
    checksums = _checksums(file, row, settings, downloader)
    if not checksums and not unchecked:
        raise PullFailed(say("pull.no_checksum", name=file.name))
    target = folder / file.name
    kind = next(iter(checksums), "")
    if target.is_file() and checksums:
        progress("check", file.name, 0, None)
        if digest_of(target, kind) == checksums[kind]:
            return kind
        target.unlink()
    most = shutil.disk_usage(folder).free - LEFT_FREE + _size(target.with_name(f"{target.name}.part"))
    downloader.file(
        address(file, settings.model_mirror),
        target,
        checksums,
        most_bytes=most,
        progress=lambda done, total: progress("file", file.name, done, total or file.bytes),
    )
    if not checksums and file.bytes not in (None, _size(target)):
        # Without a checksum the published size is all that tells a whole file from half of one.
        found = _size(target)
        target.unlink()
        raise PullFailed(say("pull.wrong_size", name=file.name, found=found, wanted=file.bytes))
    return kind


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _checksums(file: File, row: Row, settings: Settings, downloader: Downloader) -> Checksums:
    """The checksum of the catalogue, else the one of the vendor's list on the same server."""
    if file.sha256:
        return {"sha256": file.sha256}
    if file.md5:
        return {"md5": file.md5}
    if row.md5sums is None:
        return {}
    try:
        listed = listed_md5(downloader.text(address(File(url=row.md5sums), settings.model_mirror)), file.url)
    except DownloadFailed:
        return {}
    return {"md5": listed} if listed else {}


def _unpack(archive: Path, folder: Path, progress: Progress) -> None:
    """Unpack into a separate folder first, so that half an archive is never taken for a model."""
    half = folder / ".unpacking"
    shutil.rmtree(half, ignore_errors=True)
    most = min(int(archive.stat().st_size * UNPACKED_MOST) + (64 << 20), shutil.disk_usage(folder).free - LEFT_FREE)
    unpack(archive, half, most_bytes=most, progress=lambda done: progress("unpack", archive.name, done, None))
    for path in sorted(half.iterdir()):
        target = folder / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
    half.rmdir()
    archive.unlink()
