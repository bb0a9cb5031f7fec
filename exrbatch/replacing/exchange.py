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

from exrbatch.errors import RenameUncertain, ReplaceFailed, SourceChanged
from exrbatch.replacing import disk
from exrbatch.replacing.file_systems import file_system_at
from exrbatch.replacing.metadata import Metadata
from exrbatch.replacing.original import Original
from exrbatch.replacing.temp_files import Identity, identity, identity_at, identity_shown, old_name

_CANT_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_CANT_LINK = {errno.ENOSYS, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}


class Exchange:
    """Puts a new file in the place of an original beside it."""

    def __init__(self, temp: str, new: Identity, original: Original, spare: str | None = None) -> None:
        """Prepare; nothing is done yet.

        Args:
            temp: the path of the new file, a temp name.
            new: which file that is.
            original: the file to be replaced.
            spare: another name of the original that nobody else uses; without it one is made where needed.
        """
        self.temp = temp
        self.new = new
        self._original = original
        self._path = original.path
        self._lent = spare
        self._spare: str | None = None  # what the original is called while its place is taken

    def run(self) -> str | None:
        """Do it. Returns None, or the path where the original lies because it could not be removed.

        Raises `SourceChanged` or `ReplaceFailed`; the name then stands for what it stood for before, unless the
        message says otherwise.
        """
        try:
            storage = file_system_at(self._original.directory, self.new[0])
            if not (storage.can_exchange and self._exchange()):
                self._link_and_rename(storage.has_links)
            elif not storage.is_local:
                self._check_exchange()
            self._settle()
        except OSError as error:
            raise ReplaceFailed(f"can't replace it: {error.strerror}", error.errno) from error
        return self._drop_spare()

    def _rename_for_commit(self) -> None:
        """Let the new file's temp name tell which file it is: that name may come to stand for the original."""
        old = old_name(self.temp, self.new)
        if not self.temp.endswith(".old"):
            _rename(self.temp, old, self.new)
            self.temp = old

    def _exchange(self) -> bool:
        """Exchange the names; False if this file system can't."""
        self._rename_for_commit()
        self._original.check_in_place()
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

    def _check_exchange(self) -> None:
        """Notice if a mount has done a plain rename instead, as parts of it may that were not probed."""
        with contextlib.suppress(OSError):
            if self._spare is not None and identity_at(self._spare) is None:
                self._spare = None

    def _link_and_rename(self, has_links: bool) -> None:
        is_linked = False
        self._spare = self._lent
        if has_links and self._spare is None:
            try:
                self._original.check_in_place()
                is_linked = self._link_spare(old_name(self._original.new_temp(), self.new))
            except OSError as error:
                if error.errno not in _CANT_LINK:
                    raise
        try:
            if is_linked:
                self._original.note_own_change(self._spare)
            if self._spare is None:
                self._rename_for_commit()  # else the spare is what a later run needs
            self._original.check_in_place()  # a file that is renamed over it after this look is lost
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
        found = identity_shown(spare) if failed is None else identity_at(spare)
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
        with contextlib.suppress(OSError):
            self._rename_for_commit()  # no sweep may take it
        kept = [f"the new file as {os.path.basename(self.temp)}"]
        happened = ""
        if at_name is None:
            try:
                self._put_back()
                happened = " after its name was gone; the original was put back"
            except OSError as second:
                happened = f" and its name is gone; the original can't be put back ({second.strerror})"
        if self._spare is not None and self._spare != self._lent:
            kept.insert(0, f"the original as {os.path.basename(self._spare)}")
        message = f"can't replace it: {error.strerror}{happened}; kept: {' and '.join(kept)}"
        raise RenameUncertain(message, error.errno) from error

    def _put_back(self) -> None:
        """Give the original its name again, which nothing has; it keeps its other name."""
        if self._spare is None:
            self._write_again()
        assert self._spare is not None, "it has just been written"
        try:
            disk.DISK.link(self._spare, self._path)
        except OSError as error:
            if error.errno not in _CANT_LINK:
                raise
            rename_new(self._spare, self._path, identity(disk.DISK.look(self._spare)))
            self._spare = None
        with contextlib.suppress(OSError):  # it is in place all the same
            disk.DISK.sync_directory(self._original.directory)

    def _settle(self) -> None:
        """Look at what came out and make the exchange durable; else undo it."""
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
            self._write_again()
            if self._spare is not None and identity_at(self._path) in (self.new, None):  # it has taken a while
                disk.DISK.rename(self._spare, self._path)
        elif self._spare != self.temp:
            disk.DISK.rename(self._own_spare(self._spare), self._path)
        else:
            self._exchange_back(self._spare)

    def _own_spare(self, spare: str) -> str:
        """Make sure that the original's other name may be used up."""
        if spare == self._lent:
            self._spare = old_name(self._original.new_temp(), self.new)
            disk.DISK.link(spare, self._spare)
        return self._spare or spare

    def _exchange_back(self, spare: str) -> None:
        try:
            disk.DISK.exchange(spare, self._path)
        except OSError:
            # Done, but the reply was lost? Or nothing to exchange with, as somebody has removed our new file?
            if identity_at(spare) != self.new:
                disk.DISK.rename(spare, self._path)
        if identity_at(spare) not in (self.new, None):
            disk.DISK.exchange(spare, self._path)  # something newer had come between: it is what the name should have

    def _write_again(self) -> None:
        """Make the original, which has no name any more, anew from its descriptor, as its spare."""
        # The only copy of what was written: no sweep may take it, so its name is that of no file of ours.
        path = old_name(self._original.new_temp(), (0, 0))
        fd = disk.DISK.create(path)
        try:
            offset = 0
            while data := disk.read_at(self._original.fd, 1 << 20, offset):
                offset += disk.DISK.write(fd, memoryview(data), offset)
            self._spare = path  # whole: whatever fails now, this is the original
            with contextlib.suppress(OSError):  # better with other metadata than without a name
                metadata = Metadata(self._original.fd, self._original.status)
                metadata.give_owner_and_attributes(fd)
                metadata.give_mode(fd)
                metadata.give_times(fd, path)
            with contextlib.suppress(OSError):
                disk.DISK.sync(fd)
        finally:
            with contextlib.suppress(OSError):
                disk.DISK.close(fd)

    def _drop_spare(self) -> str | None:
        """Remove the original's other name; return it if it is still there. A later run then removes it."""
        if self._spare is None or self._spare == self._lent:
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


def rename_new(temp: str, target: str, new: Identity, *, has_other_names: bool = False) -> None:
    """Rename the file `new` to a name that nothing may have: then `FileExistsError`.

    Where such a rename can't be asked for, a hard link does not write over anything either; where there are none,
    looking before a plain rename must do. `has_other_names`: then that the target is this file proves nothing, as
    somebody else may have linked it there.
    """
    storage = file_system_at(os.path.dirname(target) or ".", new[0])
    # Without links it is always asked for: the kernel then looks the target up anew, which a plain look may not do.
    if (storage.can_rename_new or not storage.has_links) and _is_renamed(temp, target, new):
        return
    if storage.has_links and _is_linked(temp, target, None if has_other_names else new):
        with contextlib.suppress(OSError):  # it is in place, and a later sweep removes the temp name
            disk.DISK.remove(temp)
        return
    if identity_at(target) is not None:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    _rename(temp, target, new)


def _is_renamed(temp: str, target: str, new: Identity) -> bool:
    """Rename without overwriting; False if the file system does not know such a rename."""
    try:
        disk.DISK.rename_new(temp, target)
    except OSError as error:
        is_done = identity_at(target) == new and identity_at(temp) is None
        if not is_done and error.errno not in _CANT_EXCHANGE:
            raise
        return is_done
    return True


def _is_linked(temp: str, target: str, proof: Identity | None) -> bool:
    """Link without overwriting; False if the file system has no links. `proof`: what can only be there by this call."""
    try:
        disk.DISK.link(temp, target)
    except OSError as error:
        is_done = proof is not None and identity_at(target) == proof
        if not is_done and error.errno not in _CANT_LINK:
            raise
        return is_done
    return True
