"""May this file be replaced? What is asked of the file and its folder before work begins; nothing of its pixels."""

import errno
import os
import shutil
import stat
import time
from typing import TYPE_CHECKING

from exrbatch.errors import NoSpace, ReplaceFailed, UnsupportedFile
from exrbatch.exr.reader import ExrFile
from exrbatch.jobs.made_from import Made
from exrbatch.recompression.choices import Hardlinks
from exrbatch.replacing import CANT_REPLACE, READ_ONLY, file_system_at, find_orphan, is_open_for_writing, own_names
from exrbatch.text import format_size

if TYPE_CHECKING:
    from exrbatch.jobs.recompress_job import RecompressJob

BEING_WRITTEN = "another program has it open for writing"
TOO_YOUNG = "written less than {:.0f} s ago, and its storage can't tell whether it still is; run again later"
MAX_RESERVE = 64 * 1000 * 1000
"""Bytes that are left free for others, at most; on small file systems a hundredth."""


def check_replaceable(source: ExrFile, job: "RecompressJob", made: Made) -> None:
    """Refuse what a replacement in place would break, and an output that would be written over.

    `made`: what the output is now; a copy of the source may turn out to be right.
    """
    _check_storage(source, job)
    if job.destination is not None:
        if made not in (Made.NOTHING, Made.COPY) and not job.rules.force:
            raise UnsupportedFile("the output exists and was not made from this file; --force writes over it")
        return
    if job.place.backup is not None:
        find_orphan(job.place.backup, source.stat)
    _check_links(source, job)
    if not job.rules.force:
        if _is_write_protected(source.stat):
            raise UnsupportedFile("it is write-protected; --force replaces it all the same")
        if job.rules.dry_run and not _may_own(source.stat):  # else the new file is asked (`Replacement`)
            raise UnsupportedFile(
                "it belongs to another user or group, and the new file could not; --force replaces it all the same"
            )


def _check_storage(source: ExrFile, job: "RecompressJob") -> None:
    """Refuse what may still be written, and to replace a file where that would lose it."""
    in_place = job.destination is None
    folder = os.path.dirname(job.source) or "."
    storage = file_system_at(folder, source.stat.st_dev, may_write=in_place and not job.rules.dry_run)
    if in_place and storage.loses_targets:
        raise ReplaceFailed(CANT_REPLACE.format(storage.kind))
    if is_open_for_writing(source.fd, job.source, source.stat.st_dev):
        raise UnsupportedFile(BEING_WRITTEN)
    age = time.time() + storage.clock_offset - source.stat.st_mtime
    if not storage.is_local and age < job.rules.min_age:
        raise UnsupportedFile(TOO_YOUNG.format(job.rules.min_age))


def _check_links(source: ExrFile, job: "RecompressJob") -> None:
    names = source.stat.st_nlink
    if names > 1 and job.place.backup is not None:
        names -= own_names(job.place.backup, source.stat)
    if names > 1 and job.rules.hardlinks is Hardlinks.SKIP:
        raise UnsupportedFile(f"it has {names} hard links, of which only one would be replaced (--hardlinks)")
    if names != 1 + len(job.place.hard_links) and job.rules.hardlinks is Hardlinks.RELINK:
        raise UnsupportedFile(f"it has {names} hard links, and not all of them were found below the paths given")


def is_being_written(path: str) -> bool:
    """Whether another program has a file open for writing that can't be read yet, as its writer has just begun."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        return is_open_for_writing(fd, path, os.fstat(fd).st_dev)
    finally:
        os.close(fd)


def _is_write_protected(status: os.stat_result) -> bool:
    """Whether the mode keeps this process from writing to a file; to ask the system would be a round trip."""
    if not hasattr(os, "geteuid"):
        return not status.st_mode & stat.S_IWUSR
    if os.geteuid() == 0:
        return False
    if status.st_uid == os.geteuid():
        return not status.st_mode & stat.S_IWUSR
    is_of_group = status.st_gid in {os.getegid(), *os.getgroups()}
    return not status.st_mode & (stat.S_IWGRP if is_of_group else stat.S_IWOTH)


def _may_own(status: os.stat_result) -> bool:
    """Whether this process can give a new file the same owner and group."""
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        return True
    return status.st_uid == os.geteuid() and status.st_gid in {os.getegid(), *os.getgroups()}


def check_room(job: "RecompressJob", size: int) -> None:
    """Raise `ReplaceFailed` if nothing can be written there, and `NoSpace` if the new file might fill the disk.

    It may become as large as the old one, and other files in progress may be on the same disk, and need as much as
    they are large, too.
    """
    folder = os.path.dirname(job.destination or job.source) or "."
    if hasattr(os, "statvfs"):
        try:
            status = os.statvfs(folder)
        except OSError as error:
            raise ReplaceFailed(f"can't ask for the free space of its disk: {error.strerror}", error.errno) from error
        if status.f_flag & os.ST_RDONLY:
            raise ReplaceFailed(READ_ONLY, errno.EROFS)
        total, free = status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
    else:
        total, _, free = shutil.disk_usage(folder)
    # Some FUSE mounts say 0 in total for "unknown".
    if total and free < size + job.share.reserved + min(MAX_RESERVE, total // 100):
        others = f", other files in progress {format_size(job.share.reserved)}" if job.share.reserved else ""
        raise NoSpace(
            f"only {format_size(free)} are free on its disk; the new file may take {format_size(size)}{others}"
        )
