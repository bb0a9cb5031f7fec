"""The commit: put a new file in the place of an old one, and undo that if the old one was changed.

Between the last check of a source and its replacement, a renderer may write to it, replace it or
remove it. So the two names are exchanged and nothing is overwritten. The file that came out is then
checked. If it is not the file that was read, or if a writer has it open, the exchange is undone.

Some file systems can't exchange names (NFS, FUSE). There the old file gets a second name (the
spare) before the new file is renamed over it. Where hard links don't exist either (exFAT), the only
protection is to check before and after the rename.

The reply to a call that was carried out can be lost. So after a failed call, the disk is examined
to find out what the call did. Even this can be wrong: if an SMB server refuses a rename, the client
has already removed the target and still shows it. So after a failed rename over an existing file,
nothing is removed any more (`RenameUncertain`).
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
    """Replacement of an original by a new file that lies beside it."""

    def __init__(self, temp: str, new: Identity, original: Original, spare: str | None = None) -> None:
        """Prepare the exchange without doing anything.

        Args:
            temp: the temp path of the new file. The attribute changes when that file is renamed.
            new: identity of the new file.
            original: the file to be replaced.
            spare: a second name of the original for our use only; if None, one is made if needed.
        """
        self.temp = temp
        self.new = new
        self._original = original
        self._path = original.path
        self._lent = spare
        self._spare: str | None = None  # path of the original while the new file has its name

    def run(self) -> str | None:
        """Put the new file in place. Return the original's path if it can't be removed, else None.

        Raises:
            SourceChanged: if the original is not as it was read.
            ReplaceFailed: if a call failed; `RenameUncertain` if it was a rename over the original.

        After an error, the name refers to the same file as before, unless the message says
        otherwise.
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
        """Add the new file's inode number to its temp name, which the original may get later."""
        old = old_name(self.temp, self.new)
        if not self.temp.endswith(".old"):
            _rename(self.temp, old, self.new)
            self.temp = old

    def _exchange(self) -> bool:
        """Exchange the names. Return False if this file system can't."""
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
        """Notice a plain rename in place of an exchange: unprobed parts of a mount may do that."""
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
                self._rename_for_commit()  # a later run needs that name only if there is no spare
            self._original.check_in_place()  # a file that is renamed over it after this check is lost
        except (OSError, SourceChanged) as error:
            # Without the spare, the name still refers to the original or to a newer file.
            if (left := self._drop_spare()) is not None and isinstance(error, OSError):
                reason = f"can't replace it: {error.strerror}; it also has the temporary name {os.path.basename(left)}"
                raise ReplaceFailed(reason, error.errno) from error
            raise
        try:
            disk.DISK.rename(self.temp, self._path)
        except OSError as error:
            self._rescue(error)

    def _link_spare(self, spare: str) -> bool:
        """Link the original to a spare; undo it where links look like other files (sshfs)."""
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
        return True  # the original's ctime has changed in both cases

    def _rescue(self, error: OSError) -> None:
        """Make sure that nothing is lost after a rename over the original failed.

        Return if the rename was done despite the error. Otherwise raise `RenameUncertain`, after
        putting the original back if its name is gone.
        """
        at_name: Identity | None = (0, 0)
        with contextlib.suppress(OSError):
            at_name = identity_at(self._path)
        if at_name == self.new:
            return
        with contextlib.suppress(OSError):
            self._rename_for_commit()  # so that no sweep removes it
        kept = [f"the new file as {os.path.basename(self.temp)}"]
        happened = ""
        if at_name is None:
            try:
                self._put_back()
                happened = "; its name was gone, and the original was put back"
            except OSError as second:
                happened = f"; its name is gone, and the original can't be put back ({second.strerror})"
        if self._spare is not None and self._spare != self._lent:
            kept.insert(0, f"the original as {os.path.basename(self._spare)}")
        message = f"can't replace it: {error.strerror}{happened}; kept: {' and '.join(kept)}"
        raise RenameUncertain(message, error.errno) from error

    def _put_back(self) -> None:
        """Link the original to its old name, where nothing is now. Keep its spare if possible."""
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
        with contextlib.suppress(OSError):  # it is in place even if this fails
            disk.DISK.sync_directory(self._original.directory)

    def _settle(self) -> None:
        """Check the file that came out, and make the exchange durable. Undo it if either fails."""
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
                kept = f"is kept as {os.path.basename(self._spare)}" if self._spare else "no copy is kept"
                reason = f"the original can't be put back ({second.strerror}) and {kept}"
                raise ReplaceFailed(f"{error}; {reason}") from error
            raise

    def _give_back(self) -> None:
        """Put the original back at its name, unless another program has put a newer file there."""
        if identity_at(self._path) not in (self.new, None):
            return
        if self._spare is None:
            self._write_again()
            if self._spare is not None and identity_at(self._path) in (self.new, None):  # copying took a while
                disk.DISK.rename(self._spare, self._path)
        elif self._spare != self.temp:
            disk.DISK.rename(self._own_spare(self._spare), self._path)
        else:
            self._exchange_back(self._spare)

    def _own_spare(self, spare: str) -> str:
        """Return a spare that a rename may use up. A lent one must stay, so link another."""
        if spare == self._lent:
            self._spare = old_name(self._original.new_temp(), self.new)
            disk.DISK.link(spare, self._spare)
        return self._spare or spare

    def _exchange_back(self, spare: str) -> None:
        try:
            disk.DISK.exchange(spare, self._path)
        except OSError:
            # Either it was done and the reply lost, or another program removed our new file.
            if identity_at(spare) != self.new:
                disk.DISK.rename(spare, self._path)
        if identity_at(spare) not in (self.new, None):
            disk.DISK.exchange(spare, self._path)  # a newer file came between: it keeps the name

    def _write_again(self) -> None:
        """Copy the original, which has no name left, from its descriptor to a new spare."""
        # The only copy of the original: no sweep removes it, as no new file has inode number 0.
        path = old_name(self._original.new_temp(), (0, 0))
        fd = disk.DISK.create(path)
        try:
            offset = 0
            while data := disk.read_at(self._original.fd, 1 << 20, offset):
                offset += disk.DISK.write(fd, memoryview(data), offset)
            self._spare = path  # complete: whatever fails now, this is the original
            with contextlib.suppress(OSError):  # wrong metadata is better than no name
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
        """Remove the spare. Return it if it is still there; a later run then removes it."""
        if self._spare is None or self._spare == self._lent:
            return None
        with contextlib.suppress(OSError):
            disk.DISK.remove(self._spare)
            return None
        with contextlib.suppress(OSError):
            return self._spare if identity_at(self._spare) is not None else None
        return self._spare


def place_new(temp: str, new: Identity, target: str, original: Original, *, overwrite: bool) -> None:
    """Rename the new file from `temp` to `target`, if the original is still as it was read.

    Raises:
        FileExistsError: if `target` exists and `overwrite` is False.
        RenameUncertain: if overwriting failed. The new file keeps its temp name.
        SourceChanged: if the original has changed.
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
            reason = f"can't overwrite {target}: {error.strerror}; the new file is kept as {kept}"
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
    """Rename the file `new` from `temp` to `target`, where nothing may exist.

    Where rename can't refuse to overwrite, a hard link is used, which never overwrites. Without
    hard links, `target` is checked before a plain rename.

    If the file `has_other_names`, another program may link one of them to `target`. Then finding
    the file there after an error does not prove that our call succeeded.

    Raises:
        FileExistsError: if `target` exists.
    """
    storage = file_system_at(os.path.dirname(target) or ".", new[0])
    # Without hard links, always try it: the kernel looks up the target again, a stat may not.
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
    """Rename without overwriting. Return False if the file system does not support that."""
    try:
        disk.DISK.rename_new(temp, target)
    except OSError as error:
        is_done = identity_at(target) == new and identity_at(temp) is None
        if not is_done and error.errno not in _CANT_EXCHANGE:
            raise
        return is_done
    return True


def _is_linked(temp: str, target: str, proof: Identity | None) -> bool:
    """Link without overwriting. Return False if the file system has no hard links.

    Despite an error, the link was made if the file `proof` is at `target`.
    """
    try:
        disk.DISK.link(temp, target)
    except OSError as error:
        is_done = proof is not None and identity_at(target) == proof
        if not is_done and error.errno not in _CANT_LINK:
            raise
        return is_done
    return True
