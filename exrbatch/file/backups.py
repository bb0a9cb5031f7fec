"""A backup: the original under another name while its frame is replaced, for good or until the new file is in place.

A run removes only a backup that it made itself, and it can prove that. Whatever else lies at a backup's place is
looked at with lstat, never trusted and never removed. P is the place of the backup, R its record: a temp name in the
same folder (`temps`) that is a second name of the same file, so that its inode number can't be used again while the
record is there.

    state          on disk         what happens next
    0  nothing     -               R is made: a hard link of the original, or a verified copy of it
    1  recorded    R               R is made durable; P is linked to R, which fails if anything has that name
    2  in place    R, P            P is made durable; the frame is replaced
    3  replaced    R, P            kept: R is removed. Else: P is moved to a temp name, looked at there, removed; then R
    4  kept        P               final; no run ever removes it

Where a run ends early:

    killed in 1    the next sweep removes R, as the frame still is the original
    killed in 2    the next run adopts the backup: it renames R to a record of its own, which only one run can do
    killed in 3    the next run finds the frame done and ends state 3 in the same way
    source changed P and R are removed if the frame's name still stands for the original, or for another run's new file;
                   else, as a renderer may have written it, both stay, and the message says where
    rename failed  both stay, and the message says where they are

A backup is adopted only if P and R are the same file, R's owner was a process of this host that has ended, and P is the
original or holds the same bytes. So a backup without a record is never adopted: not one that was kept, not one that an
older version left, not the user's own snapshot. File systems without hard links can't have R beside P: there a backup
has no record once it is in place, and a run that is killed leaves one that the next run says it will not touch.
"""

import contextlib
import os
from types import TracebackType

from exrbatch.errors import ReplaceFailed, SourceChanged, UnsupportedFile
from exrbatch.file import disk
from exrbatch.file.copies import copy_whole, same_bytes
from exrbatch.file.folders import make_folder_of
from exrbatch.file.swap import Original, rename_new
from exrbatch.file.temps import (
    Identity,
    Record,
    identity,
    identity_at,
    is_same_time,
    is_whole,
    old_name,
    records_of,
    temp_name,
)

_EXISTS = "a backup exists: {}; move it away or use another --backup-dir"
_BUSY = "another run is replacing it: its backup is at {}"


def find_orphan(path: str, original: os.stat_result) -> Record | None:
    """Find the record of a backup of this file that a killed run left, or None if there is none. Changes nothing.

    Raises `UnsupportedFile` if something else has the backup's place.
    """
    try:
        found = disk.DISK.look(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnsupportedFile(f"can't look at the place of its backup, {path}: {error.strerror}") from None
    mine = [record for record in records_of(path) if record.file == identity(found)]
    if any(not record.is_orphan for record in mine):
        raise UnsupportedFile(_BUSY.format(path))
    if not mine or (identity(found) != identity(original) and found.st_size != original.st_size):
        raise UnsupportedFile(_EXISTS.format(path))
    return mine[0]


def own_names(path: str, original: os.stat_result) -> int:
    """Count the names of the original that backups of killed runs gave it: they are no hard links of the user's."""
    records = [record for record in records_of(path) if record.is_orphan and record.file == identity(original)]
    return len(records) + (bool(records) and identity_at(path) == identity(original))


class Backup:
    """A backup of one file, as a context manager around the replacement.

    Attributes:
        notes: what the user should know: what a copy could not keep.
    """

    def __init__(self, original: Original, path: str, *, keep: bool) -> None:
        self.notes: list[str] = []
        self._original = original
        self._path = path
        self._folder = os.path.dirname(path) or "."
        self._keep = keep
        self._record: str | None = None
        self._file: Identity | None = None  # which file the backup is, once it is in place

    def __enter__(self) -> "Backup":
        orphan = find_orphan(self._path, self._original.status)
        try:
            if orphan is not None:
                self._adopt(orphan)
            else:
                self._make()
        except OSError as error:
            raise ReplaceFailed(f"can't make its backup {self._path}: {error.strerror}", error.errno) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.end()
        elif isinstance(error, ReplaceFailed):
            raise type(error)(f"{error}; its backup is kept at {self._path}", error.errno) from error
        elif isinstance(error, SourceChanged):
            if not self._has_frame():
                raise SourceChanged(f"{error}; what was read before is kept at {self._path}") from error
            self._withdraw()
        # Whatever else it is, a bug or the end of this process: both names stay, as if it had been killed.

    def _has_frame(self) -> bool:
        """Whether the frame's name stands for the original, or for what another run has made of it meanwhile."""
        path, status = self._original.path, self._original.status
        with contextlib.suppress(OSError):
            found = disk.DISK.look(path)
            is_original = identity(found) == identity(status)
            return is_original or (found.st_mtime_ns == status.st_mtime_ns and is_whole(path))
        return False

    def _make(self) -> None:
        make_folder_of(self._path, self._original.path)
        self._original.check_in_place()
        self._record = record = self._new_record()
        try:
            if not self._link_record(record):
                self.notes += copy_whole(self._original, record)
            disk.DISK.sync_directory(self._folder)
            file = identity(disk.DISK.look(record))
            self._place(record, file)
            self._original.note_own_change()
            disk.DISK.sync_directory(self._folder)
        except Exception:
            self._withdraw()
            raise

    def _new_record(self) -> str:
        name = temp_name(os.path.basename(self._path), self._original.status, "keep" if self._keep else "bak")
        return os.path.join(self._folder, name)

    def _link_record(self, record: str) -> bool:
        """Give the original the record's name; False where that can't be, as on another file system."""
        try:
            disk.DISK.link(self._original.path, record)
        except FileExistsError:
            raise
        except OSError:
            pass  # what it has done is seen by looking
        found = identity_at(record)
        if found is None:
            return False
        self._original.note_own_change()
        if found == identity(self._original.status):
            return True
        disk.DISK.remove(record)  # on file systems whose links look like other files (sshfs) they prove nothing
        self._original.note_own_change()
        return False

    def _place(self, record: str, file: Identity) -> None:
        """Give the backup its place, which nothing may have."""
        try:
            if not self._link_place(record):
                rename_new(record, self._path, file)  # the record itself becomes the backup, which has none from now on
                self._record = None
        except FileExistsError:
            raise UnsupportedFile(f"a backup exists: {self._path}; another program has just put it there") from None
        self._file = file
        found = identity_at(self._path)
        if found != file:
            if not same_bytes(self._original.path, self._path):
                raise ReplaceFailed(f"its backup {self._path} was replaced by another program")
            self._file = found  # links look like other files here: a record would prove nothing
            self._forget_record()

    def _link_place(self, record: str) -> bool:
        """Link the backup's place to the record; False if that can't be done."""
        try:
            disk.DISK.link(record, self._path)
        except FileExistsError:
            raise
        except OSError as error:
            if identity_at(self._path) is not None:
                # It may be ours, made in spite of the error, or somebody's: that can't be known, so it stays.
                message = f"can't make its backup: {error.strerror}; what lies at {self._path} was left there"
                raise ReplaceFailed(message, error.errno) from error
            return False
        return True

    def _adopt(self, orphan: Record) -> None:
        """Take over the backup of a killed run. Raises `UnsupportedFile` if it is none of this file."""
        if orphan.file != identity(self._original.status) and not same_bytes(self._original.path, self._path):
            raise UnsupportedFile(_EXISTS.format(self._path))
        self._original.check_in_place()
        self.take_over(orphan)
        self._original.note_own_change()
        if identity_at(self._path) != orphan.file:
            self._forget_record()
            raise UnsupportedFile(_EXISTS.format(self._path))
        disk.DISK.sync_directory(self._folder)

    def take_over(self, orphan: Record) -> "Backup":
        """Make the record of a killed run our own. Raises `UnsupportedFile` if another run was faster."""
        self._keep = self._keep or orphan.is_kept
        record = self._new_record()
        try:
            disk.DISK.rename(orphan.path, record)
        except OSError:
            if identity_at(record) != orphan.file:
                raise UnsupportedFile(_BUSY.format(self._path)) from None
        self._record, self._file = record, orphan.file
        return self

    def end(self) -> None:
        """The new file is in place, durably: keep the backup for good, or remove it."""
        if self._keep:
            self._forget_record()
        else:
            self._withdraw()

    def _withdraw(self) -> None:
        """Remove the backup, if it is in place, and its record."""
        if self._file is not None and not self._is_removed(self._file):
            self.notes.append(f"its backup could not be removed: {self._path}")
        else:
            self._forget_record()

    def _is_removed(self, file: Identity) -> bool:
        """Remove the backup under a temp name, so that what another program puts at its place is never removed."""
        away = old_name(self._original.temp_in(self._folder, os.path.basename(self._path)))
        with contextlib.suppress(OSError):
            disk.DISK.rename(self._path, away)
        with contextlib.suppress(OSError):
            found = identity_at(away)
            if found == file:
                disk.DISK.remove(away)
            elif found is not None:
                rename_new(away, self._path, found)
            else:
                return identity_at(self._path) != file
        return True

    def _forget_record(self) -> None:
        """Remove the record, which this object has made: no other run makes the same name."""
        if self._record is not None:
            with contextlib.suppress(OSError):
                disk.DISK.remove(self._record)
            self._record = None


def end_orphan(original: Original, path: str, *, keep: bool) -> None:
    """End what a killed run left of the backup of a frame that is done: only what is provably that run's goes."""
    with contextlib.suppress(OSError, UnsupportedFile):
        found = disk.DISK.look(path)
        orphans = [each for each in records_of(path) if each.file == identity(found) and each.is_orphan]
        if orphans and is_same_time(found.st_mtime_ns, original.status.st_mtime_ns):
            Backup(original, path, keep=keep).take_over(orphans[0]).end()
