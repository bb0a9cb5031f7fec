"""Replacement: a temp file beside the target that becomes the target only when it is whole.

Steps: exclusive create, owner and attributes, write, mode and times, sync, (verify,) exchange, sync the directory. At
every instant the name stands for the complete old file or the complete new one.
"""

import contextlib
import errno
import os
from collections.abc import Sequence
from types import TracebackType

from exrbatch.errors import RenameUncertain, ReplaceFailed, SourceChanged, UnsupportedFile
from exrbatch.replacing import disk
from exrbatch.replacing.exchange import Exchange, place_new
from exrbatch.replacing.metadata import Metadata
from exrbatch.replacing.original import Original
from exrbatch.replacing.temp_files import Identity, identity, identity_shown, temp_name


class Replacement:
    """One new file on its way to `destination`, as a context manager that removes it unless committed.

    Attributes:
        path: where the new file lies now.
        size: bytes written so far.
        notes: what the user should know: what the new file could not take over.
    """

    def __init__(self, original: Original, destination: str | None = None, *, may_lose: bool = False) -> None:
        """Prepare; nothing is written yet.

        Args:
            original: the open source, whose metadata the new file takes over.
            destination: path of the new file; None to replace the original.
            may_lose: replace the original even if owner, group, attributes or access control list can't be kept.
        """
        self._original = original
        self._destination = destination
        self._may_lose = may_lose or destination is not None
        self.notes: list[str] = []
        directory = original.directory if destination is None else os.path.dirname(destination) or "."
        name = temp_name(os.path.basename(destination or original.path), original.status)
        self.path = os.path.join(directory, name)
        self._fd = -1
        self._new: Identity | None = None
        self.size = 0
        self._is_in_place = False
        self._written: tuple[int, int] | None = None  # size and mtime once nothing more is to be written

    def __enter__(self) -> "Replacement":
        try:
            self._fd = disk.DISK.create(self.path)
        except OSError as error:
            if error.errno != errno.EEXIST:  # else it may have been done and its reply lost
                with contextlib.suppress(OSError):
                    disk.DISK.remove(self.path)
            raise _failed("can't create a temp file in its folder", error) from error
        self._new = identity(os.fstat(self._fd))
        try:
            self._take_over()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def _take_over(self) -> None:
        """Give the new file the source's owner and attributes. Raises `UnsupportedFile` for what must not be lost."""
        try:
            self._metadata = Metadata(self._original.fd, self._original.status)
            self._metadata.give_owner_and_attributes(self._fd)
        except OSError as error:
            raise _failed("can't keep the metadata", error) from error
        lost = self._metadata.lost
        if lost and not self._may_lose:
            if "owner" in lost or "group" in lost:
                what = "it belongs to another user or group, and the new file could not"
            else:
                what = f"the new file could not have its {', '.join(lost)}"
            raise UnsupportedFile(f"{what}; --force replaces it all the same")
        self.notes += [f"its {what} could not be kept" for what in lost]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                self._close()
        if not (self._is_in_place or isinstance(error, RenameUncertain)):
            self._remove(self.path)

    def write(self, data: memoryview, offset: int) -> None:
        """Write all of it: a full disk or a file-size limit first shows as a short count without an error."""
        try:
            while data:
                count = disk.DISK.write(self._fd, data, offset)
                if not count:
                    raise OSError(errno.EIO, "nothing was written, and no reason given")
                data, offset = data[count:], offset + count
                self.size = max(self.size, offset)
        except OSError as error:
            raise _failed("can't write the new file", error) from error

    @property
    def fd(self) -> int:
        """The open descriptor of the new file, until `commit`."""
        return self._fd

    def sync(self, *, drop_cache: bool = False) -> None:
        """Give the new file the source's mode and times and bring it to the disk; nothing is written after that.

        `drop_cache`: let who reads it next read from the disk, where the system can do that (Linux).
        """
        try:
            self._metadata.give_mode(self._fd)
            self._metadata.give_times(self._fd, self.path)
        except OSError as error:
            raise _failed("can't keep the metadata", error) from error
        try:
            disk.DISK.sync(self._fd)
            status = os.fstat(self._fd)
            self._written = status.st_size, status.st_mtime_ns
            if identity_shown(self.path) != self._new:  # it is verified by its descriptor, and put in place by its name
                raise ReplaceFailed("its temp file was removed or replaced by another program")
            if drop_cache:
                disk.DISK.drop_cache(self._fd)
        except OSError as error:
            raise _failed("can't bring the new file to the disk", error) from error

    @property
    def file(self) -> Identity:
        """Which file the new one is."""
        assert self._new is not None, "used as a context manager"
        return self._new

    def commit(self, *, overwrite: bool = False, hard_links: Sequence[str] = (), spare: str | None = None) -> list[str]:
        """Put the new file in place. Returns notes for the user.

        Args:
            overwrite: write over what is at a destination of its own.
            hard_links: other names of the original, which get the new file, too. They are linked to it before it has a
                name of its own: by then somebody may have put something else there.
            spare: another name of the original that nobody else uses; it is left alone.

        Raises `SourceChanged` if the source is not the file that was read, `UnsupportedFile` if somebody has taken the
        destination meanwhile.
        """
        assert self._new is not None, "used as a context manager"
        try:
            self._close()
        except OSError as error:
            raise _failed("can't close the new file", error) from error
        if self._destination is None:
            with contextlib.ExitStack() as links:
                linked = [(name, self._link(name, links)) for name in hard_links]
                notes = self._exchange(self.path, self._original, spare)
                self._is_in_place = True
                for name, link in linked:
                    notes += self._relink(name, link)
                return notes
        try:
            place_new(self.path, self._new, self._destination, self._original, overwrite=overwrite)
        except FileExistsError:
            raise UnsupportedFile("the output exists and was not made from this file; --force writes over it") from None
        except OSError as error:
            raise _failed("can't put the new file in place", error) from error
        self._is_in_place = True
        return []

    def _exchange(self, temp: str, original: Original, spare: str | None = None) -> list[str]:
        """Put the new file, at `temp`, in the place of an original."""
        assert self._new is not None, "used as a context manager"
        exchange = Exchange(temp, self._new, original, spare)
        is_uncertain = False
        try:
            left = exchange.run()
        except RenameUncertain:
            is_uncertain = True
            raise
        finally:
            if temp == self.path:
                self.path = exchange.temp
            elif not is_uncertain:
                self._remove(exchange.temp)
        return [f"the original could not be removed: {os.path.basename(left)}"] if left else []

    def _link(self, name: str, links: contextlib.ExitStack) -> str | None:
        """Give the new file a temp name beside a name; None if it can't have one."""
        temp = Original(name, self._original.fd, self._original.status).new_temp()
        links.callback(self._remove, temp)
        try:
            disk.DISK.link(self.path, temp)
        except OSError:
            return None
        return temp

    def _relink(self, name: str, link: str | None) -> list[str]:
        """Let a name stand for the new file; one that can't keeps the old one, whole."""
        try:
            if link is None:
                raise ReplaceFailed("no hard link can be made in its folder")
            original = Original(name, self._original.fd, self._original.status)
            original.check_open()
            original.note_own_change()  # the exchange before has changed its ctime
            return self._exchange(link, original)
        except (SourceChanged, ReplaceFailed, OSError) as error:
            return [f"a hard link was left with the old file: {os.path.basename(name)}: {error}"]

    def _remove(self, path: str) -> None:
        """Remove a temp name as long as it stands for the new file, as it was written.

        After an exchange it is the original's; and if that was undone, somebody may have written to the new file.
        """
        with contextlib.suppress(OSError):
            found = disk.DISK.look_now(path)
            if identity(found) == self._new and self._written in (None, (found.st_size, found.st_mtime_ns)):
                disk.DISK.remove(path)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1  # closed after an error too: never twice
        disk.DISK.close(fd)


def _failed(what: str, error: OSError) -> ReplaceFailed:
    return ReplaceFailed(f"{what}: {error.strerror}", error.errno)
