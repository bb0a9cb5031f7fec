"""The commit: a new file and an old one change places, and what comes out is looked at.

Between the last look at a source and its replacement a renderer may write to it, replace it or remove it. So
the names are exchanged, not overwritten: if what comes out is not the file that was read, or if a writer
has it open, it goes back. Where the file system can't exchange (NFS, FUSE), the old file gets a second
name before it is renamed over; where it has no second names either (exFAT), nothing is left but to look before
and after. What a failed call has done is found out by looking: the reply to a call that was done can be lost.

But a look may lie, too: an SMB client that is refused a rename has removed the target already, and goes on showing it.
So after a rename over an existing file has failed nothing is removed any more (`RenameUncertain`).
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from exrbatch.errors import RenameUncertain, ReplaceFailed, SourceChanged
from exrbatch.file import disk
from exrbatch.file.file_systems import is_open_for_writing
from exrbatch.file.metadata import Metadata
from exrbatch.file.temps import Identity, identity, identity_at, old_name, temp_name

_CANT_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_CANT_LINK = {errno.ENOSYS, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}


@dataclass(slots=True)
class Original:
    """A file that is to be replaced: its name, the descriptor it is read by, and its state when it was opened.

    To give it another name, or another file its name, changes its ctime: who does that takes `note_own_change`.
    """

    path: str
    fd: int
    status: os.stat_result
    ctime_ns: int = field(init=False)

    def __post_init__(self) -> None:
        self.ctime_ns = self.status.st_ctime_ns

    @property
    def directory(self) -> str:
        """The folder that the name is in."""
        return os.path.dirname(self.path) or "."

    def new_temp(self) -> str:
        """Make a temp path beside it."""
        return self.temp_in(self.directory, os.path.basename(self.path))

    def temp_in(self, folder: str, name: str) -> str:
        """Make a temp path in another folder, for a file that is to have that name there."""
        return os.path.join(folder, temp_name(name, self.status))

    @contextlib.contextmanager
    def own_change(self) -> Iterator[None]:
        """Around one call of ours that changes the ctime: look before it, take the new ctime for ours after it."""
        self.check_in_place()
        yield
        self.note_own_change()

    def note_own_change(self) -> None:
        """Take the ctime of now for that of our own change; everything else must still be as it was."""
        self.ctime_ns = disk.DISK.look_open(self.fd).st_ctime_ns

    def check_in_place(self) -> None:
        """Raise `SourceChanged` unless the name stands for the file that was read, and nobody has touched that.

        The ctime tells of writers, too, that put the old mtime back, and of new permissions.
        """
        self.check_name(self.path)
        self.check_open()
        if disk.DISK.look_open(self.fd).st_ctime_ns != self.ctime_ns:
            raise SourceChanged("its content, owner or permissions were changed while it was processed")

    def check_at(self, path: str) -> None:
        """Raise `SourceChanged` unless that name, which we gave it, stands for the file that was read, as it was."""
        self.check_name(path)
        self.check_open()

    def check_name(self, path: str) -> None:
        """Raise `SourceChanged` unless that name stands for the file that was read."""
        found = identity_at(path)
        if found is None:
            raise SourceChanged("removed while it was processed")
        if found != identity(self.status):
            raise SourceChanged("replaced by another file while it was processed")

    def check_open(self) -> None:
        """Raise `SourceChanged` if the file that was read has been written to, or if a writer has it open now."""
        now, then = disk.DISK.look_open(self.fd), self.status
        if (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns):
            raise SourceChanged("written to while it was processed")
        if (now.st_mode, now.st_uid, now.st_gid) != (then.st_mode, then.st_uid, then.st_gid):
            raise SourceChanged("its owner or permissions were changed while it was processed")
        if is_open_for_writing(self.fd, self.path):
            raise SourceChanged("opened for writing by another program")


class Swap:
    """Puts a new file in the place of an original beside it."""

    def __init__(self, temp: str, new: Identity, original: Original) -> None:
        """`temp`: the path of the `new` file, a temp name."""
        self.temp = temp
        self.new = new
        self._original = original
        self._path = original.path
        self._spare: str | None = None  # what the original is called while its place is taken

    def run(self) -> str | None:
        """Do it. Returns None, or the path where the original lies because it could not be removed.

        Raises `SourceChanged` or `ReplaceFailed`; the name then stands for what it stood for before, unless the
        message says otherwise.
        """
        try:
            old = old_name(self.temp, self.new)
            _rename(self.temp, old, self.new)
            self.temp = old
            self._original.check_in_place()
            if not self._exchange():
                self._link_and_rename()
            self._settle()
        except OSError as error:
            raise ReplaceFailed(f"can't replace it: {error.strerror}", error.errno) from error
        return self._drop_spare()

    def _exchange(self) -> bool:
        """Exchange the names; False if this file system can't."""
        try:
            disk.DISK.exchange(self.temp, self._path)
        except OSError as error:
            at_name = identity_at(self._path)
            if at_name != self.new:
                if at_name == identity(self._original.status) and error.errno in _CANT_EXCHANGE:
                    return False
                if at_name is None and error.errno != errno.ENOENT:
                    self._rescue(error)
                self._original.check_in_place()
                raise
        self._spare = self.temp
        return True

    def _link_and_rename(self) -> None:
        is_linked = False
        try:
            self._original.check_in_place()
            is_linked = self._link_spare(old_name(self._original.new_temp(), self.new))
        except OSError as error:
            if error.errno not in _CANT_LINK:
                raise
        try:
            if is_linked:
                self._original.note_own_change()
            self._original.check_in_place()
            self._original.check_name(self._path)  # last: a file that is renamed over it after this look is lost
        except (OSError, SourceChanged) as error:
            # The name itself still has that file, or something newer.
            if (left := self._drop_spare()) is not None and isinstance(error, OSError):
                reason = f"can't replace it: {error.strerror}; it is left with a second name, {os.path.basename(left)}"
                raise ReplaceFailed(reason, error.errno) from error
            raise
        try:
            disk.DISK.rename(self.temp, self._path)
        except OSError as error:
            self._rescue(error)

    def _link_spare(self, spare: str) -> bool:
        """Give the original a second name; take it back where links look like other files, as they do on sshfs.

        Returns whether that has changed the original's ctime.
        """
        failed: OSError | None = None
        try:
            disk.DISK.link(self._path, spare)
        except OSError as error:
            failed = error
        found = identity_at(spare)
        if found is None and failed is not None:
            raise failed
        if found == identity(self._original.status):
            self._spare = spare
        elif failed is None:
            disk.DISK.remove(spare)
        return True

    def _rescue(self, error: OSError) -> None:
        """A rename over the original failed. Return if it was done all the same; else make sure that nothing is lost.

        Raises `RenameUncertain`, after putting the original back if nothing has its name any more.
        """
        at_name: Identity | None = (0, 0)
        with contextlib.suppress(OSError):
            at_name = identity_at(self._path)
        if at_name == self.new:
            return
        kept = [f"the new file as {os.path.basename(self.temp)}"]
        happened = ""
        if at_name is None:
            try:
                self._put_back()
                happened = " after its name was gone; the original was put back"
            except OSError as second:
                happened = f" and its name is gone; the original can't be put back ({second.strerror})"
        if self._spare is not None:
            kept.insert(0, f"the original as {os.path.basename(self._spare)}")
        message = f"can't replace it: {error.strerror}{happened}; kept: {' and '.join(kept)}"
        raise RenameUncertain(message, error.errno) from error

    def _put_back(self) -> None:
        """Give the original its name again, which nothing has; it keeps its other name."""
        if self._spare is None:
            self._spare = self._write_again()
        try:
            disk.DISK.link(self._spare, self._path)
        except OSError as error:
            if error.errno not in _CANT_LINK:
                raise
            rename_new(self._spare, self._path, identity(disk.DISK.look(self._spare)))
            self._spare = None
        disk.DISK.sync_directory(self._original.directory)

    def _settle(self) -> None:
        """Look at what came out and make the swap durable; else undo it."""
        try:
            if self._spare is None:
                self._original.check_open()
            else:
                self._original.check_at(self._spare)
            disk.DISK.sync_directory(self._original.directory)
        except (SourceChanged, OSError) as error:
            try:
                self._give_back()
            except OSError as second:
                kept = os.path.basename(self._spare) if self._spare else "no file"
                reason = f"the original can't be put back ({second.strerror}) and is kept as {kept}"
                raise ReplaceFailed(f"{error}; {reason}") from error
            raise

    def _give_back(self) -> None:
        """Give the name back what came out, unless somebody has put something newer there meanwhile."""
        if identity_at(self._path) not in (self.new, None):
            return
        if self._spare is None:
            self._spare = self._write_again()
            if identity_at(self._path) in (self.new, None):  # it has taken a while
                disk.DISK.rename(self._spare, self._path)
        elif self._spare != self.temp:
            disk.DISK.rename(self._spare, self._path)
        else:
            self._exchange_back(self._spare)

    def _exchange_back(self, spare: str) -> None:
        try:
            disk.DISK.exchange(spare, self._path)
        except OSError:
            # Done, but the reply was lost? Or nothing to exchange with, as somebody has removed our new file?
            if identity_at(spare) != self.new:
                disk.DISK.rename(spare, self._path)
        if identity_at(spare) not in (self.new, None):
            disk.DISK.exchange(spare, self._path)  # something newer had come between: it is what the name should have

    def _write_again(self) -> str:
        """Make the original, which has no name any more, anew from its descriptor; return its temp path."""
        # The only copy of what was written: no sweep may take it, so its name is that of no file of ours.
        path = old_name(self._original.new_temp(), (0, 0))
        fd = disk.DISK.create(path)
        try:
            offset = 0
            while data := disk.read_at(self._original.fd, 1 << 20, offset):
                offset += disk.DISK.write(fd, memoryview(data), offset)
            metadata = Metadata(self._original.fd, os.fstat(self._original.fd))
            metadata.give_owner_and_attributes(fd)
            metadata.give_mode(fd)
            metadata.give_times(fd, path)
            disk.DISK.sync(fd)
        finally:
            disk.DISK.close(fd)
        return path

    def _drop_spare(self) -> str | None:
        """Remove the original's other name; return it if it is still there. A later run then removes it."""
        if self._spare is None:
            return None
        with contextlib.suppress(OSError):
            disk.DISK.remove(self._spare)
            return None
        with contextlib.suppress(OSError):
            return self._spare if identity_at(self._spare) is not None else None
        return self._spare


def place_new(temp: str, new: Identity, target: str, original: Original, *, overwrite: bool) -> None:
    """Give a new file a place of its own. Raises `FileExistsError` if there is something, unless it may `overwrite`.

    Raises `RenameUncertain` if writing over what is there failed: then the new file stays under its temp name.
    """
    original.check_in_place()
    if overwrite:
        existed = identity_at(target) is not None
        try:
            _rename(temp, target, new)
        except OSError as error:
            if not existed:
                raise
            kept = os.path.basename(temp)
            reason = f"can't write over {target}: {error.strerror}; the new file is kept as {kept}"
            raise RenameUncertain(reason, error.errno) from error
    else:
        rename_new(temp, target, new)
    disk.DISK.sync_directory(os.path.dirname(target) or ".")


def _rename(temp: str, target: str, new: Identity) -> None:
    try:
        disk.DISK.rename(temp, target)
    except OSError:
        if identity_at(target) != new:
            raise


def rename_new(temp: str, target: str, new: Identity, *, by_link: bool = False) -> None:
    """Rename the file `new` to a name that nothing may have: then `FileExistsError`.

    `by_link`: the file has other names, and file systems that can't ask for such a rename have hard links, which do not
    write over anything either. Without that, looking before a plain rename must do there.
    """
    try:
        disk.DISK.rename_new(temp, target)
    except OSError as error:
        at_name = identity_at(target)
        # That the target is the file proves nothing if it has other names: somebody may have linked it there.
        if at_name == new and identity_at(temp) is None:
            return
        if error.errno not in _CANT_EXCHANGE:
            raise
        if at_name is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        if not by_link:
            _rename(temp, target, new)
            return
        disk.DISK.link(temp, target)
        with contextlib.suppress(OSError):  # it is in place, and a later sweep removes the temp name
            disk.DISK.remove(temp)
