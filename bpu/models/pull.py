"""Downloads one model of the catalogue: space, addresses, checksums, unpacking. It prints nothing."""

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
from bpu.messages import os_reason, translate
from bpu.models.catalogue import File, Row
from bpu.models.download import Checksums, Downloader, DownloadFailed, digest_of, md5_from_list
from bpu.models.unpack import BadArchive, unpack
from bpu.settings import Settings, data_dir

#: Bytes of the disk that a download leaves free.
RESERVED_BYTES = 256 << 20
#: An unpacked model is hardly larger than its archive, whose weights do not compress.
MAX_UNPACK_RATIO = 1.3
#: The published size of some files is that of an earlier release, which differs little.
MAX_SIZE_RATIO = 1.1
Stage = Literal["file", "check", "unpack"]
Progress = Callable[[Stage, str, int, "int | None"], None]


class PullFailed(EngineUnavailable):
    """A model could not be downloaded, or failed a check."""

    code = "pull"


@dataclass(frozen=True)
class PulledModel:
    """A downloaded model.

    `proof` is the weakest kind of checksum that its files were checked by.
    """

    hbm: Path
    proof: Literal["sha256", "md5", "none"]


def models_folder(settings: Settings) -> Path:
    """Return the folder for downloaded models."""
    return data_dir(settings) / "models"


def address(file: File, mirror: str) -> str:
    """Return the file's own URL, or its path below the mirror."""
    return f"{mirror}{urlsplit(file.url).path}" if mirror else file.url


def check_allowed(row: Row, settings: Settings) -> None:
    """Raise `SettingsError` for a model that is never downloaded."""
    if settings.model_offline:
        raise SettingsError(translate("pull.offline"))
    if not row.pull:
        raise SettingsError(
            translate("pull.not_pulled", id=row.id, why=translate(f"pull.why_{row.why}"), source=row.source)
        )


def pull(
    row: Row,
    folder: Path,
    settings: Settings,
    downloader: Downloader,
    *,
    unchecked: bool = False,
    progress: Progress = lambda stage, name, done, total: None,
) -> PulledModel:
    """Download the files of `row` into `folder`, check and unpack them. Raises `PullFailed` and `SettingsError`."""
    check_allowed(row, settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _folder_lock(folder):
            return _pull(row, folder, settings, downloader, unchecked, progress)
    except DownloadFailed as error:
        raise PullFailed(translate("pull.failed", reason=error)) from None
    except BadArchive as error:
        raise PullFailed(translate("pull.bad_archive", name=row.file[0].name, reason=error)) from None
    except OSError as error:
        raise PullFailed(translate("pull.disk", folder=folder, reason=os_reason(error))) from None


@contextlib.contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Lock the folder against other downloads, which would write the same files.

    The lock ends with the process.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PullFailed(translate("pull.busy", folder=folder)) from None
        yield
    finally:
        os.close(descriptor)


def _pull(
    row: Row, folder: Path, settings: Settings, downloader: Downloader, unchecked: bool, progress: Progress
) -> PulledModel:
    """Download, check and unpack in a locked folder."""
    hbm = _first_model(row, folder) if row.archive else None
    if hbm is not None:
        # An archive is deleted once it is unpacked, which happens only after its check.
        return PulledModel(hbm, _proof([file.sha256 for file in row.file]))
    _check_space(row, folder)
    kinds = [_pull_file(file, row, folder, settings, downloader, unchecked, progress) for file in row.file]
    if row.archive:
        _unpack(folder / row.file[0].name, folder, progress)
    hbm = _first_model(row, folder)
    if hbm is None:
        raise PullFailed(translate("pull.no_model_inside", name=row.hbm))
    return PulledModel(hbm, "sha256" if all(kind == "sha256" for kind in kinds) else "md5" if all(kinds) else "none")


def _first_model(row: Row, folder: Path) -> Path | None:
    return next(iter(sorted(folder.rglob(row.hbm))), None)


def _proof(digests: list[str | None]) -> Literal["sha256", "md5", "none"]:
    return "sha256" if all(digests) else "md5"


def _check_space(row: Row, folder: Path) -> None:
    free = shutil.disk_usage(folder).free - RESERVED_BYTES
    there = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    wanted = (row.bytes or 0) * ((1 + MAX_UNPACK_RATIO) if row.archive else 1) - there
    if wanted > free:
        raise PullFailed(
            translate("pull.no_space", folder=folder, needed=_gigabytes(wanted), free=_gigabytes(max(free, 0)))
        )


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _pull_file(
    file: File, row: Row, folder: Path, settings: Settings, downloader: Downloader, unchecked: bool, progress: Progress
) -> str:
    """Download one file.

    Return the kind of checksum that it was checked by, "" for none.
    """
    checksums = _checksums(file, row, settings, downloader)
    if not checksums and not unchecked:
        raise PullFailed(translate("pull.no_checksum", name=file.name))
    target = folder / file.name
    kind = next(iter(checksums), "")
    if target.is_file() and checksums:
        progress("check", file.name, 0, None)
        if digest_of(target, kind) == checksums[kind]:
            return kind
        target.unlink()
    most = shutil.disk_usage(folder).free - RESERVED_BYTES + _size(target.with_name(f"{target.name}.part"))
    if file.bytes is not None:
        # A server that sends more than the published size must not fill the disk before its checksum is wrong.
        most = min(most, int(file.bytes * MAX_SIZE_RATIO) + (1 << 20))
    downloader.file(
        address(file, settings.model_mirror),
        target,
        checksums,
        most_bytes=most,
        progress=lambda done, total: progress("file", file.name, done, total or file.bytes),
    )
    if not checksums and file.bytes not in (None, _size(target)):
        # Without a checksum only the published size shows whether the file is complete.
        found = _size(target)
        target.unlink()
        raise PullFailed(translate("pull.wrong_size", name=file.name, found=found, wanted=file.bytes))
    return kind


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _checksums(file: File, row: Row, settings: Settings, downloader: Downloader) -> Checksums:
    """Return the checksum of the catalogue, else that of the vendor's list.

    The list is on the same server.
    """
    if file.sha256:
        return {"sha256": file.sha256}
    if file.md5:
        return {"md5": file.md5}
    if row.md5sums is None:
        return {}
    try:
        listed = md5_from_list(downloader.text(address(File(url=row.md5sums), settings.model_mirror)), file.url)
    except DownloadFailed:
        return {}
    return {"md5": listed} if listed else {}


def _unpack(archive: Path, folder: Path, progress: Progress) -> None:
    """Unpack into a separate folder first.

    A partial archive is never used as a model.
    """
    partial = folder / ".unpacking"
    shutil.rmtree(partial, ignore_errors=True)
    most = min(
        int(archive.stat().st_size * MAX_UNPACK_RATIO) + (64 << 20), shutil.disk_usage(folder).free - RESERVED_BYTES
    )
    unpack(archive, partial, most_bytes=most, progress=lambda done: progress("unpack", archive.name, done, None))
    for path in sorted(partial.iterdir()):
        target = folder / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
    partial.rmdir()
    archive.unlink()
