"""Whole files in a mirrored tree: copies of what stays as it is, and backups of originals."""

import contextlib
import os
from collections.abc import Iterator

from exrbatch.errors import ExrbatchError, ReplaceFailed, UnsupportedFile, VerificationFailed
from exrbatch.exr.reader import ExrFile, open_exr
from exrbatch.file import disk
from exrbatch.file.replace import Replacement
from exrbatch.file.swap import Original, identity, identity_at
from exrbatch.file.targets import Targets

_PIECE = 1 << 20


def make_folder_of(path: str) -> None:
    """Make the folders that a file of the mirrored tree needs."""
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    except OSError as error:
        raise ReplaceFailed(f"can't make the folder for {path}: {error.strerror}", error.errno) from error


def is_mirrored(source: ExrFile, destination: str, targets: Targets) -> bool:
    """Whether an earlier run made this output: same mtime and header, the target's or the source's compressions."""
    if not os.path.lexists(destination):
        return False
    try:
        with open_exr(destination) as output:
            if output.stat.st_mtime_ns != source.stat.st_mtime_ns:
                return False
            if output.header.raw == source.header.raw:
                return output.stat.st_size == source.stat.st_size
            counts = [table.grid.count for table in output.parts]
            return output.header.raw == source.header.recompressed(targets.compressions, counts)
    except (ExrbatchError, OSError):
        return False


def copy_whole(original: Original, destination: str, *, overwrite: bool = False) -> None:
    """Copy a file as it is: synced, compared, then put in place."""
    make_folder_of(destination)
    with Replacement(original, destination) as temp:
        offset = 0
        with open(original.path, "rb") as source:
            while data := source.read(_PIECE):
                temp.write(memoryview(data), offset)
                offset += len(data)
        temp.sync()
        if not _same_bytes(original.path, temp.path):
            raise VerificationFailed("the copy of the file holds other bytes")
        temp.commit(overwrite=overwrite)


@contextlib.contextmanager
def backed_up(original: Original, path: str | None, *, keep: bool) -> Iterator[None]:
    """Keep the original at `path`, too, while it is replaced, and for good with `keep`; None: don't.

    A hard link where that is possible: the original is never written to, so it stays what it was. Else a copy.
    Raises `UnsupportedFile` when something else is there: an older backup may be the only one of its kind.
    """
    if path is None:
        yield
        return
    made = _back_up(original, path)
    done = False
    try:
        yield
        done = True
    finally:
        with contextlib.suppress(OSError):
            # After a failure the backup can go only if the original is surely where it was.
            if made and (not keep if done else identity_at(original.path) == identity(original.status)):
                disk.DISK.remove(path)


def _back_up(original: Original, path: str) -> bool:
    """Make a backup; False if it was there already."""
    if os.path.lexists(path):
        if os.path.samefile(original.path, path):
            return True  # a link that a run left which was killed
        if os.path.isfile(path) and _same_bytes(original.path, path):
            return False
        raise UnsupportedFile("there is another backup of it already, which is kept; give another --backup-dir")
    make_folder_of(path)
    try:
        original.check_in_place()
        disk.DISK.link(original.path, path)
        original.note_own_change()
        disk.DISK.sync_directory(os.path.dirname(path) or ".")
    except FileExistsError:
        raise UnsupportedFile("another program has just put something in the backup's place") from None
    except OSError:
        # Another file system, or one without hard links.
        with contextlib.suppress(OSError):
            if os.path.samefile(original.path, path):
                original.note_own_change()
                return True
        copy_whole(original, path)
    return True


def _same_bytes(path: str, other: str) -> bool:
    with open(path, "rb") as a, open(other, "rb") as b:
        while block := a.read(_PIECE):
            if block != b.read(_PIECE):
                return False
        return not b.read(1)
