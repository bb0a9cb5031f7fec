"""Check before work begins whether a file may be replaced or its output written.

The checks look at the file and its folder only, never at pixels.
"""

import contextlib
import errno
import os
import shutil
import stat
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from exrbatch.errors import NoSpace, ReasonCode, ReplaceFailed, UnsupportedFile
from exrbatch.exr.compression import Compression
from exrbatch.exr.header import Header
from exrbatch.exr.reader import ExrFile
from exrbatch.jobs.made_from import Made
from exrbatch.paths import existing_folder
from exrbatch.recompression.choices import Hardlinks
from exrbatch.replacing import (
    CANT_REPLACE,
    OUTPUT_EXISTS,
    READ_ONLY,
    FileSystem,
    file_system_at,
    find_orphan,
    is_open_for_writing,
    is_read_only,
    own_names,
)
from exrbatch.text import format_size

if TYPE_CHECKING:
    from exrbatch.jobs.recompress_job import RecompressJob

BEING_WRITTEN = "another program has it open for writing"
TOO_YOUNG = "written less than {:.0f} s ago (--min-age); run again later"
TOO_YOUNG_TO_TELL = (
    "written less than {:.0f} s ago, and its storage can't show whether it is still being written; run again later"
)
MIN_AGE = 60.0
"""Seconds that must have passed since a file was written, on storage that can't show whether it is
still being written."""
MAX_RESERVE = 64 * 1000 * 1000
"""Bytes that a run leaves free on a disk for other programs; 1 % of the disk if that is less."""


def check_replaceable(source: ExrFile, job: "RecompressJob", made: Made) -> None:
    """Check that a file may be replaced, or that its output would not overwrite another file.

    Args:
        source: the open file.
        job: its job.
        made: what is at the destination now. A copy of the source is accepted here, because it may
            turn out to be the right output.

    Raises:
        UnsupportedFile: The file must be left alone.
        ReplaceFailed: Its storage can't replace files safely, or can't be probed.
        OSError: Its folder can't be accessed.
    """
    _check_storage(source, job)
    if job.destination is not None:
        if made not in (Made.NOTHING, Made.COPY) and not job.rules.force:
            raise UnsupportedFile(OUTPUT_EXISTS, code=ReasonCode.OUTPUT_EXISTS)
        return
    if job.place.backup is not None:
        find_orphan(job.place.backup, source.stat)
    _check_links(source, job)
    if not job.rules.force:
        if _is_write_protected(source.stat):
            raise UnsupportedFile("it is write-protected; --force replaces it anyway", code=ReasonCode.WRITE_PROTECTED)
        if job.rules.dry_run and not _may_own(source.stat):  # a real run finds out by trying (`Replacement`)
            raise UnsupportedFile(
                "the new file can't have its owner or group; --force replaces it anyway", code=ReasonCode.METADATA
            )


def _check_storage(source: ExrFile, job: "RecompressJob") -> None:
    """Check that the storage can't lose the file, and that no program is still writing it."""
    if job.destination is None:
        storage = _storage_of(job, source.stat)
        if storage.loses_targets:
            raise ReplaceFailed(CANT_REPLACE.format(storage.kind))
    check_complete(job, source.fd, source.stat)


def check_complete(job: "RecompressJob", fd: int, status: os.stat_result) -> None:
    """Check that no program is still writing the source.

    Args:
        job: the job of the file.
        fd: its descriptor.
        status: its state when it was opened.

    Raises:
        UnsupportedFile: It is being written, or may be.
    """
    storage = _storage_of(job, status)
    if is_open_for_writing(fd, job.source, status.st_dev):
        raise UnsupportedFile(BEING_WRITTEN, code=ReasonCode.OPEN_FOR_WRITING)
    _check_age(storage, status, job.rules.min_age)


def check_age(path: str, status: os.stat_result, min_age: float | None) -> None:
    """Check that a file that is only read was not written just now.

    Args:
        path: the file.
        status: its state.
        min_age: seconds that must have passed since then; None for the default.

    Raises:
        UnsupportedFile: It was written more recently.
    """
    _check_age(file_system_at(os.path.dirname(path) or ".", status.st_dev, may_write=False), status, min_age)


def unfinished(path: str, min_age: float | None) -> UnsupportedFile | None:
    """Return why an invalid file may just be incomplete; None if it is complete, so damaged.

    Args:
        path: the file.
        min_age: seconds that must have passed since it was written; None for the default.
    """
    if is_being_written(path):
        return UnsupportedFile(BEING_WRITTEN, code=ReasonCode.OPEN_FOR_WRITING)
    try:
        check_age(path, os.stat(path), min_age)
    except UnsupportedFile as error:
        return error
    except (OSError, ReplaceFailed):  # nothing is known about its age
        pass
    return None


def _check_age(storage: FileSystem, status: os.stat_result, min_age: float | None) -> None:
    limit = (0.0 if storage.is_local else MIN_AGE) if min_age is None else min_age
    if limit and time.time() + storage.clock_offset - status.st_mtime < limit:
        reason = (TOO_YOUNG_TO_TELL if min_age is None else TOO_YOUNG).format(limit)
        raise UnsupportedFile(reason, code=ReasonCode.TOO_YOUNG)


def check_selected(header: Header, wanted: Collection[Compression]) -> None:
    """Check that any part of a file has one of the compressions that were asked for.

    Args:
        header: the header of the file.
        wanted: the compressions; empty for any.

    Raises:
        UnsupportedFile: No part has one of them.
    """
    present = dict.fromkeys(part.compression for part in header.parts)
    if wanted and not any(compression in wanted for compression in present):
        reason = f"its compression is {'+'.join(each.name for each in present)}, which was not asked for"
        raise UnsupportedFile(reason, code=ReasonCode.NOT_SELECTED)


def check_chunks(source: ExrFile) -> None:
    """Check that all chunks of a file are in place before the file is copied unread.

    Raises:
        InvalidFile: The file is damaged.
    """
    with contextlib.suppress(UnsupportedFile):  # such a file can be copied, but not checked
        source.parts  # noqa: B018  this reads and checks the offset tables


def _storage_of(job: "RecompressJob", status: os.stat_result) -> FileSystem:
    folder = os.path.dirname(job.source) or "."
    return file_system_at(folder, status.st_dev, may_write=job.destination is None and not job.rules.dry_run)


def _check_links(source: ExrFile, job: "RecompressJob") -> None:
    names = source.stat.st_nlink
    if names > 1 and job.place.backup is not None:
        names -= own_names(job.place.backup, source.stat)
    if names > 1 and job.rules.hardlinks is Hardlinks.SKIP:
        reason = f"it has {names} hard links, and only one would be replaced; see --hardlinks"
        raise UnsupportedFile(reason, code=ReasonCode.HARD_LINKS)
    if names != 1 + len(job.place.hard_links) and job.rules.hardlinks is Hardlinks.RELINK:
        reason = f"it has {names} hard links, but not all of them were found below the given paths"
        raise UnsupportedFile(reason, code=ReasonCode.HARD_LINKS)


def is_being_written(path: str) -> bool:
    """Return whether another program has a file open for writing.

    Call this for an invalid file: its writer may just have begun.
    """
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        return is_open_for_writing(fd, path, os.fstat(fd).st_dev)
    finally:
        os.close(fd)


def _is_write_protected(status: os.stat_result) -> bool:
    """Return whether the mode of a file forbids this process to write to it.

    Root may write to every file. But if nobody has the right to, the file was locked on purpose.
    Asking the system instead would cost a round trip.
    """
    if not status.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        return True
    if not hasattr(os, "geteuid"):
        return not status.st_mode & stat.S_IWUSR
    if os.geteuid() == 0:
        return False
    if status.st_uid == os.geteuid():
        return not status.st_mode & stat.S_IWUSR
    is_of_group = status.st_gid in {os.getegid(), *os.getgroups()}
    return not status.st_mode & (stat.S_IWGRP if is_of_group else stat.S_IWOTH)


def _may_own(status: os.stat_result) -> bool:
    """Return whether this process can give a new file the same owner and group."""
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        return True
    return status.st_uid == os.geteuid() and status.st_gid in {os.getegid(), *os.getgroups()}


def check_writable(job: "RecompressJob") -> None:
    """Check that new files can be created where the job needs them, without creating one.

    A real run finds out by trying. This is for a dry run.

    Raises:
        ReplaceFailed: This process may not write there.
    """
    for path in filter(None, (job.destination or job.source, job.place.backup)):
        folder = existing_folder(os.path.dirname(path) or ".")
        if not os.access(folder, os.W_OK | os.X_OK):
            error = errno.EROFS if is_read_only(folder) else errno.EACCES
            raise ReplaceFailed(f"can't create files in {folder}: {os.strerror(error)}", error)


def check_space(job: "RecompressJob", size: int) -> None:
    """Check that the new file fits on its disk.

    The new file may become as large as the old one. Other files in progress may be on the same
    disk, and each of them may need as much as its own size.

    Args:
        job: the job, with the bytes that other files in progress may need.
        size: size of the old file in bytes.

    Raises:
        ReplaceFailed: The disk is read-only, or its free space can't be determined.
        NoSpace: The new file might fill the disk.
    """
    folder = existing_folder(os.path.dirname(job.destination or job.source) or ".")
    if hasattr(os, "statvfs"):
        try:
            status = os.statvfs(folder)
        except OSError as error:
            raise ReplaceFailed(f"can't determine the free space of its disk: {error.strerror}", error.errno) from error
        if status.f_flag & os.ST_RDONLY:
            raise ReplaceFailed(READ_ONLY, errno.EROFS)
        total, free = status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
    else:
        total, _, free = shutil.disk_usage(folder)
    # A total of 0 means "unknown" on some FUSE mounts.
    if total and free < size + job.share.reserved + min(MAX_RESERVE, total // 100):
        others = f", and other files in progress {format_size(job.share.reserved)}" if job.share.reserved else ""
        raise NoSpace(
            f"only {format_size(free)} is free on its disk; the new file may need {format_size(size)}{others}"
        )
