"""Keep the original as a backup while its frame is replaced, temporarily or for good.

A run removes a backup only if it made that backup itself and can prove it. Anything else at the
backup path is only examined with lstat. It is never trusted and never removed.

The table below uses three names in one folder. P is the backup path. R is the record of the backup.
U is the backup before it is renamed to P. R and U are temp names (see `temp_files`). All three
names refer to one file: a hard link of the original, or a verified copy of it. So the inode number
of the backup can't be reused while R exists.

    state          on disk   what happens next
    0  nothing     -         create U, then R; make both durable
    1  recorded    R, U      rename U to P, which fails if P exists
    2  in place    R, P      make P durable; replace the frame
    3  replaced    R, P      to keep the backup: remove R if P still is the backup
                             to remove it: rename P to a temp name, check it there, remove it and R
    4  kept        P         final: no run ever removes P

What happens if a run ends early:

    killed in 1      The next sweep removes R, then U, because the frame is still the original.
    killed in 2      The next run adopts the backup: it renames R to a record of its own. Only one
                     run can succeed in this.
    killed in 3      The next run finds that the frame is done, compares its pixels with those of P,
                     and completes state 3 in the same way.
    source changed   P and R are removed if the frame's name refers to the original, or to another
                     run's new file with the same pixels. Otherwise a renderer may have written
                     the frame. Then P and R stay, and the message names P.
    failed           P and R stay, the message names P, and the next run adopts the backup. But if
                     the rename over the frame failed, R is removed and P stays for good.

A backup is adopted only if U is gone, P and R are the same file, the process that made R ran on
this host and has ended, and P is the original or holds the same bytes. So a backup without a record
is never adopted, whether it was kept, left by an older version, or made by the user.

Two kinds of file system can leave a backup without a record when a run is killed. The next run
reports such a backup and does not touch it. Without hard links, R can't exist beside P, so there is
no record once the backup is in place. Where a rename can't refuse to overwrite (NFS), the run may
be killed after P was linked and before U was removed.
"""

import contextlib
import os
from collections.abc import Callable
from types import TracebackType

from exrbatch.errors import ReasonCode, RenameUncertain, ReplaceFailed, SourceChanged, UnsupportedFile
from exrbatch.replacing import disk
from exrbatch.replacing.copies import copy_whole, same_bytes
from exrbatch.replacing.exchange import rename_new
from exrbatch.replacing.file_systems import file_system_at
from exrbatch.replacing.folders import make_folder_of
from exrbatch.replacing.original import Original
from exrbatch.replacing.temp_files import (
    Identity,
    Record,
    identity,
    identity_at,
    identity_shown,
    left_names,
    old_name,
    records_of,
    temp_name,
    unplaced_name,
)

IsSamePicture = Callable[[str, str], bool]
"""Whether the files at two paths (no links) hold the same picture. Only callers know the format."""

_EXISTS = "a backup exists: {}; move it away or use another --backup-dir"
_BUSY = "another run is replacing it: its backup is at {}"


def find_orphan(path: str, original: os.stat_result) -> Record | None:
    """Return the record of a backup of this file that a killed run left, or None. Change nothing.

    Args:
        path: the backup path.
        original: the state of the file that is to be replaced.

    Raises:
        UnsupportedFile: if anything else is at the backup path, or another run uses the backup.
    """
    try:
        found = disk.DISK.look(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = f"can't check for an existing backup at {path}: {error.strerror}"
        raise UnsupportedFile(reason, code=ReasonCode.STORAGE) from None
    mine = [record for record in records_of(path) if record.file == identity(found)]
    if any(not record.is_orphan for record in mine):
        raise UnsupportedFile(_BUSY.format(path), code=ReasonCode.BACKUP_EXISTS)
    if not mine or (identity(found) != identity(original) and found.st_size != original.st_size):
        raise UnsupportedFile(_EXISTS.format(path), code=ReasonCode.BACKUP_EXISTS)
    return mine[0]


def own_names(path: str, original: os.stat_result) -> int:
    """Count the hard links of the original that killed runs made for backups, not the user's."""
    file = identity(original)
    in_place = any(record.is_orphan and record.file == file for record in records_of(path))
    return left_names(path, file) + (in_place and identity_at(path) == file)


class Backup:
    """Backup of one file, as a context manager around the replacement.

    Attributes:
        notes: messages for the user, such as what a copy could not preserve.
    """

    def __init__(
        self,
        original: Original,
        path: str,
        is_same_picture: IsSamePicture,
        *,
        keep: bool,
        like: str | None = None,
        root: str | None = None,
    ) -> None:
        """Prepare the backup without creating anything.

        Args:
            original: the open file.
            path: the backup path.
            is_same_picture: compares the frame and its backup, given two paths.
            keep: whether the backup stays for good.
            like: the path that the backup path mirrors, if that is not the original's.
            root: the folder that must contain the backup path after all links are resolved.
        """
        self._is_same_picture = is_same_picture
        self._like, self._root = like or original.path, root
        self.notes: list[str] = []
        self._original = original
        self._path = path
        self._folder = os.path.dirname(path) or "."
        self._keep = keep
        self._record: str | None = None
        self._file: Identity | None = None  # identity of the backup, once it is in place

    def __enter__(self) -> "Backup":
        orphan = find_orphan(self._path, self._original.status)
        try:
            if orphan is not None:
                self._adopt(orphan)
            else:
                self._make()
        except OSError as error:
            raise ReplaceFailed(f"can't create its backup {self._path}: {error.strerror}", error.errno) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.end()
        elif isinstance(error, ReplaceFailed):
            if isinstance(error, RenameUncertain):
                self._keep_for_good()
            raise type(error)(f"{error}; its backup is kept at {self._path}", error.errno) from error
        elif isinstance(error, SourceChanged):
            if not self._has_frame():
                raise SourceChanged(f"{error}; the version that was read is kept at {self._path}") from error
            self._withdraw()
        # Any other error is a bug or the end of this process: P and R stay, as after a kill.

    @property
    def second_name(self) -> str | None:
        """Our own second name of the original (the record), or None if the backup is a copy."""
        return self._record if self._file == identity(self._original.status) else None

    def _has_frame(self) -> bool:
        """Return whether the frame is still the original, or another run's new version of it."""
        with contextlib.suppress(OSError):
            if identity_at(self._original.path) == identity(self._original.status):
                return True
        return self._is_same_picture(self._original.path, self._path)

    def _make(self) -> None:
        make_folder_of(self._path, self._like, self._root)
        record = self._new_record()
        unplaced = unplaced_name(record)
        try:
            self._original.check_in_place()
            is_link = self._is_linked(self._original.path, unplaced, identity(self._original.status))
            if is_link:
                self._original.note_own_change(unplaced)
            else:
                self.notes += copy_whole(self._original, unplaced)[1]
            file = identity(disk.DISK.look(unplaced))
            with self._own_change(is_link):
                # Without hard links there is no record. A record without U means: P is in place.
                self._record = record if self._is_linked(unplaced, record, file) else None
            disk.DISK.sync_directory(self._folder)
            with self._own_change(is_link):
                self._place(unplaced, file)
            disk.DISK.sync_directory(self._folder)
        except Exception:
            self._withdraw()
            self._remove(unplaced)
            raise

    def _own_change(self, is_link: bool) -> contextlib.AbstractContextManager[None]:
        """Wrap a call that changes the original's ctime if the backup is a hard link of it."""
        return self._original.own_change() if is_link else contextlib.nullcontext()

    def _new_record(self) -> str:
        name = temp_name(os.path.basename(self._path), self._original.status, "keep" if self._keep else "bak")
        return os.path.join(self._folder, name)

    def _is_linked(self, path: str, name: str, file: Identity) -> bool:
        """Link a file to a temp name. Return False if the file system can't do that."""
        if not file_system_at(self._folder, file[0]).has_links:
            return False
        look = identity_at
        with contextlib.suppress(OSError):  # a failed call may have been carried out: check below
            disk.DISK.link(path, name)
            look = identity_shown
        found = look(name)
        if found == file:
            return True
        if found is not None:  # where a link looks like another file (sshfs), it proves nothing
            self._remove(name)
            if path == self._original.path:
                self._original.note_own_change()
        return False

    def _place(self, unplaced: str, file: Identity) -> None:
        """Rename the backup to its path, where nothing may exist."""
        try:
            rename_new(unplaced, self._path, file, has_other_names=self._record is not None)
        except FileExistsError:
            reason = f"a backup exists: {self._path}; another program has just created it"
            raise UnsupportedFile(reason, code=ReasonCode.BACKUP_EXISTS) from None
        except OSError as error:
            if identity_at(self._path) != file:
                raise
            # P may be our link, despite the error, or another program's. So it stays.
            message = f"can't create its backup: {error.strerror}; the file at {self._path} was left there"
            raise ReplaceFailed(message, error.errno) from error
        self._file = file
        if identity_shown(self._path) != file:
            raise ReplaceFailed(f"its backup {self._path} was replaced by another program")

    def _adopt(self, orphan: Record) -> None:
        """Adopt the backup of a killed run.

        Raises:
            UnsupportedFile: if it is not a backup of this file.
        """
        is_link = orphan.file == identity(self._original.status)
        if not is_link and not same_bytes(self._original.fd, self._path):
            raise UnsupportedFile(_EXISTS.format(self._path), code=ReasonCode.BACKUP_EXISTS)
        with self._own_change(is_link):
            self.take_over(orphan)
        if identity_at(self._path) != orphan.file:
            self._file = None
            self._forget_record()
            raise UnsupportedFile(_EXISTS.format(self._path), code=ReasonCode.BACKUP_EXISTS)
        disk.DISK.sync_directory(self._folder)

    def take_over(self, orphan: Record) -> "Backup":
        """Make the record of a killed run our own.

        Raises:
            UnsupportedFile: if another run has already taken it.
        """
        self._keep = self._keep or orphan.is_kept
        record = self._new_record()
        try:
            disk.DISK.rename(orphan.path, record)
        except OSError:
            if identity_at(record) != orphan.file:
                raise UnsupportedFile(_BUSY.format(self._path), code=ReasonCode.BACKUP_EXISTS) from None
        self._record, self._file = record, orphan.file
        return self

    def end(self) -> None:
        """Keep the backup for good or remove it, now that the new file is durably in place."""
        if not self._keep:
            self._withdraw()
        elif self._is_in_place():
            self._forget_record()
        elif self._record is not None:
            self.notes.append(f"its backup {self._path} was replaced; the original is kept as {self._record}")
        else:
            self.notes.append(f"its backup {self._path} was removed or replaced by another program")

    def _is_in_place(self) -> bool:
        """Return whether the backup is still at its path. Put it back first if nothing is there."""
        with contextlib.suppress(OSError):
            found = identity_at(self._path)
            if found is None and self._record is not None:
                with contextlib.suppress(OSError):
                    disk.DISK.link(self._record, self._path)
                found = identity_at(self._path)
            return found == self._file
        return False

    def _keep_for_good(self) -> None:
        """Keep the backup for good, because nothing is certain after a rename that failed."""
        if self._is_in_place():
            self._forget_record()

    def _withdraw(self) -> None:
        """Remove the backup, if it is in place, and its record."""
        if self._file is not None and not self._is_removed(self._file):
            self.notes.append(f"its backup could not be removed: {self._path}")
        else:
            self._forget_record()

    def _is_removed(self, file: Identity) -> bool:
        """Rename the backup to a temp name, then remove it. Return whether it has left its path.

        The rename ensures that a file of another program at the backup path is never removed.
        """
        away = old_name(self._original.temp_in(self._folder, os.path.basename(self._path)), file)
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
        """Remove the record. It is certainly ours, because no other run makes the same name."""
        if self._record is not None:
            self._remove(self._record)
            self._record = None

    def _remove(self, path: str) -> None:
        """Remove a name that this object made."""
        with contextlib.suppress(OSError):
            disk.DISK.remove(path)


def end_orphan(original: Original, path: str, is_same_picture: IsSamePicture, *, keep: bool) -> None:
    """Finish the backup of a killed run whose frame is done. Remove only what that run made."""
    with contextlib.suppress(OSError, UnsupportedFile):
        found = disk.DISK.look(path)
        orphans = [each for each in records_of(path) if each.file == identity(found) and each.is_orphan]
        if orphans and is_same_picture(original.path, path):
            Backup(original, path, is_same_picture, keep=keep).take_over(orphans[0]).end()
