"""A backup: the original under another name while its frame is replaced, for good or until the new file is in place.

A run removes only a backup that it made itself, and it can prove that. Whatever else lies at a backup's place is
looked at with lstat, never trusted and never removed. P is the place of the backup. R, its record, and U, the file
that is to be put in place, are temp names in the same folder (`temps`), and all three are names of one file: a hard
link of the original, or a verified copy of it. So its inode number can't be used again while R is there.

    state          on disk      what happens next
    0  nothing     -            U is made, then R; both are made durable
    1  recorded    R, U         U is renamed to P, which fails if anything has that name
    2  in place    R, P         P is made durable; the frame is replaced
    3  replaced    R, P         kept: R is removed, if P still is the backup. Else: P is moved to a temp name, looked at
                                there, removed; then R
    4  kept        P            final; no run ever removes it

Where a run ends early:

    killed in 1    the next sweep removes R, then U, as the frame still is the original
    killed in 2    the next run adopts the backup: it renames R to a record of its own, which only one run can do
    killed in 3    the next run finds the frame done, compares its pixels with P's, and ends state 3 in the same way
    source changed P and R are removed if the frame's name still stands for the original, or for another run's new file
                   with the same pixels; else, as a renderer may have written it, both stay, and the message says where
    failed         both stay, the message says where, and the next run adopts the backup; but after a rename over the
                   frame that failed, P stays for good

A backup is adopted only if U is gone, P and R are the same file, R's owner was a process of this host that has ended,
and P is the original or holds the same bytes. So a backup without a record is never adopted: not one that was kept, not
one that an older version left, not the user's own snapshot. File systems without hard links can't have R beside P:
there a backup has no record once it is in place, and a run that is killed leaves one that the next run says it will not
touch. So it is where a rename can't be asked to spare what has the name (NFS) and the run is killed in between.
"""

import contextlib
import os
from collections.abc import Callable
from types import TracebackType

from exrbatch.errors import RenameUncertain, ReplaceFailed, SourceChanged, UnsupportedFile
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
"""Whether the files at two paths, neither of which may be a link, hold the same; the caller knows their format."""

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
    file = identity(original)
    in_place = any(record.is_orphan and record.file == file for record in records_of(path))
    return left_names(path, file) + (in_place and identity_at(path) == file)


class Backup:
    """A backup of one file, as a context manager around the replacement.

    Attributes:
        notes: what the user should know: what a copy could not keep.
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
        """Prepare; nothing is made yet.

        Args:
            original: the open file.
            path: the backup's place.
            is_same_picture: whether the frame and its backup, at two paths, hold the same.
            keep: whether it stays for good.
            like: the path that its place mirrors, if that is not the original's.
            root: the folder that must hold its place, whatever links are on the way.
        """
        self._is_same_picture = is_same_picture
        self._like, self._root = like or original.path, root
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
            if isinstance(error, RenameUncertain):
                self._keep_for_good()
            raise type(error)(f"{error}; its backup is kept at {self._path}", error.errno) from error
        elif isinstance(error, SourceChanged):
            if not self._has_frame():
                raise SourceChanged(f"{error}; what was read before is kept at {self._path}") from error
            self._withdraw()
        # Whatever else it is, a bug or the end of this process: both names stay, as if it had been killed.

    @property
    def second_name(self) -> str | None:
        """A name of ours that the original has besides its own; None if the backup is a copy."""
        return self._record if self._file == identity(self._original.status) else None

    def _has_frame(self) -> bool:
        """Whether the frame's name stands for the original, or for what another run has made of it meanwhile."""
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
                # Without hard links there is no record; whoever finds one without the other file knows it is in place.
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
        """Around a call that changes the ctime of the original if the backup is a link of it."""
        return self._original.own_change() if is_link else contextlib.nullcontext()

    def _new_record(self) -> str:
        name = temp_name(os.path.basename(self._path), self._original.status, "keep" if self._keep else "bak")
        return os.path.join(self._folder, name)

    def _is_linked(self, path: str, name: str, file: Identity) -> bool:
        """Give a file a temp name; False where that can't be, as on another file system."""
        if not file_system_at(self._folder, file[0]).has_links:
            return False
        look = identity_at
        with contextlib.suppress(OSError):  # what it has done is seen by looking
            disk.DISK.link(path, name)
            look = identity_shown
        found = look(name)
        if found == file:
            return True
        if found is not None:  # on file systems whose links look like other files (sshfs) they prove nothing
            self._remove(name)
            if path == self._original.path:
                self._original.note_own_change()
        return False

    def _place(self, unplaced: str, file: Identity) -> None:
        """Give the backup its place, which nothing may have."""
        try:
            rename_new(unplaced, self._path, file, has_other_names=self._record is not None)
        except FileExistsError:
            raise UnsupportedFile(f"a backup exists: {self._path}; another program has just put it there") from None
        except OSError as error:
            if identity_at(self._path) != file:
                raise
            # By a link that reports an error it may be ours or somebody's: that can't be known, so it stays.
            message = f"can't make its backup: {error.strerror}; what lies at {self._path} was left there"
            raise ReplaceFailed(message, error.errno) from error
        self._file = file
        if identity_shown(self._path) != file:
            raise ReplaceFailed(f"its backup {self._path} was replaced by another program")

    def _adopt(self, orphan: Record) -> None:
        """Take over the backup of a killed run. Raises `UnsupportedFile` if it is none of this file."""
        is_link = orphan.file == identity(self._original.status)
        if not is_link and not same_bytes(self._original.fd, self._path):
            raise UnsupportedFile(_EXISTS.format(self._path))
        with self._own_change(is_link):
            self.take_over(orphan)
        if identity_at(self._path) != orphan.file:
            self._file = None
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
        if not self._keep:
            self._withdraw()
        elif self._is_in_place():
            self._forget_record()
        elif self._record is not None:
            self.notes.append(f"its backup {self._path} was replaced; the original is kept as {self._record}")
        else:
            self.notes.append(f"its backup {self._path} was removed or replaced by another program")

    def _is_in_place(self) -> bool:
        """Whether the backup is still what was put there; put it back if nothing has its name."""
        with contextlib.suppress(OSError):
            found = identity_at(self._path)
            if found is None and self._record is not None:
                with contextlib.suppress(OSError):
                    disk.DISK.link(self._record, self._path)
                found = identity_at(self._path)
            return found == self._file
        return False

    def _keep_for_good(self) -> None:
        """Nothing is certain after a rename that failed: no later run may take this backup away."""
        if self._is_in_place():
            self._forget_record()

    def _withdraw(self) -> None:
        """Remove the backup, if it is in place, and its record."""
        if self._file is not None and not self._is_removed(self._file):
            self.notes.append(f"its backup could not be removed: {self._path}")
        else:
            self._forget_record()

    def _is_removed(self, file: Identity) -> bool:
        """Remove the backup under a temp name, so that what another program puts at its place is never removed."""
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
        """Remove the record, which this object has made: no other run makes the same name."""
        if self._record is not None:
            self._remove(self._record)
            self._record = None

    def _remove(self, path: str) -> None:
        """Remove a name of our own making."""
        with contextlib.suppress(OSError):
            disk.DISK.remove(path)


def end_orphan(original: Original, path: str, is_same_picture: IsSamePicture, *, keep: bool) -> None:
    """End what a killed run left of the backup of a frame that is done: only what is provably that run's goes."""
    with contextlib.suppress(OSError, UnsupportedFile):
        found = disk.DISK.look(path)
        orphans = [each for each in records_of(path) if each.file == identity(found) and each.is_orphan]
        if orphans and is_same_picture(original.path, path):
            Backup(original, path, is_same_picture, keep=keep).take_over(orphans[0]).end()
