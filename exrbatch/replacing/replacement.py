"""Write a new file under a temp name and put it in place only when it is complete.

The steps are: create exclusively; set owner and attributes; write; set mode and times; sync; verify
(by the caller); exchange; sync the folder. At any time, the name refers to the complete old file or
the complete new one.
"""

import contextlib
import errno
import os
from collections.abc import Sequence
from types import TracebackType

from exrbatch.errors import ReasonCode, RenameUncertain, ReplaceFailed, SourceChanged, UnsupportedFile
from exrbatch.replacing import disk
from exrbatch.replacing.exchange import Exchange, place_new
from exrbatch.replacing.metadata import Metadata
from exrbatch.replacing.original import Original
from exrbatch.replacing.temp_files import Identity, identity, identity_shown, temp_name

OUTPUT_EXISTS = "the output exists and is not what this run makes of this file; --force overwrites it"


class Replacement:
    """New file under a temp name, as a context manager that removes it unless it is committed.

    Attributes:
        path: the current path of the new file.
        size: bytes written so far.
        notes: messages for the user, such as metadata that the new file could not take over.
    """

    def __init__(self, original: Original, destination: str | None = None, *, may_lose: bool = False) -> None:
        """Prepare the replacement without writing anything.

        Args:
            original: the open source. The new file takes over its metadata.
            destination: path of the new file; None to replace the original.
            may_lose: replace the original even if the new file can't have the same owner, group,
                attributes or access control list.
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
        self._written: tuple[int, int] | None = None  # size and mtime in ns, known after sync

    def __enter__(self) -> "Replacement":
        try:
            self._fd = disk.DISK.create(self.path)
        except OSError as error:
            if error.errno != errno.EEXIST:  # the file may exist: the reply can be lost
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
        """Give the new file the source's owner and attributes.

        Raises:
            UnsupportedFile: if any of them is lost and `may_lose` is False.
        """
        try:
            self._metadata = Metadata(self._original.fd, self._original.status)
            self._metadata.give_owner_and_attributes(self._fd)
        except OSError as error:
            raise _failed("can't copy its metadata to the new file", error) from error
        lost = self._metadata.lost
        if lost and not self._may_lose:
            if "owner" in lost or "group" in lost:
                what = "the new file can't have its owner or group"
            else:
                what = f"the new file can't keep its {', '.join(lost)}"
            raise UnsupportedFile(f"{what}; --force replaces it anyway", code=ReasonCode.METADATA)
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
        """Write all of `data` at an offset in bytes.

        A full disk or a file-size limit first shows as a short count without an error. So writing
        continues until everything is written or an error explains why not.

        Raises:
            ReplaceFailed: if the file system refuses.
        """
        try:
            while data:
                count = disk.DISK.write(self._fd, data, offset)
                if not count:
                    raise OSError(errno.EIO, "the system wrote nothing and reported no error")
                data, offset = data[count:], offset + count
                self.size = max(self.size, offset)
        except OSError as error:
            raise _failed("can't write the new file", error) from error

    @property
    def fd(self) -> int:
        """The descriptor of the new file, which is open until `commit`."""
        return self._fd

    def sync(self, *, drop_cache: bool = False) -> None:
        """Give the new file the source's mode and times, and sync it to disk.

        Write nothing after this call.

        Args:
            drop_cache: drop the file from the page cache, so that the next read comes from disk.
                Only Linux can do that.

        Raises:
            ReplaceFailed: if a call fails, or if another program removed or replaced the new file.
        """
        try:
            self._metadata.give_mode(self._fd)
            self._metadata.give_times(self._fd, self.path)
        except OSError as error:
            raise _failed("can't copy its metadata to the new file", error) from error
        try:
            disk.DISK.sync(self._fd)
            status = os.fstat(self._fd)
            self._written = status.st_size, status.st_mtime_ns
            if identity_shown(self.path) != self._new:  # verified by descriptor, renamed by name
                raise ReplaceFailed("its temp file was removed or replaced by another program")
            if drop_cache:
                disk.DISK.drop_cache(self._fd)
        except OSError as error:
            raise _failed("can't sync the new file to disk", error) from error

    @property
    def file(self) -> Identity:
        """The identity of the new file."""
        assert self._new is not None, "used as a context manager"
        return self._new

    def commit(self, *, overwrite: bool = False, hard_links: Sequence[str] = (), spare: str | None = None) -> list[str]:
        """Put the new file in place.

        Args:
            overwrite: replace a file that exists at the destination. Not used if the original is
                replaced.
            hard_links: other names of the original, which get the new file, too. Links to it are
                made before it gets its final name, because after that another program may have put
                another file there.
            spare: another name of the original that no other program uses. It is not removed.

        Returns:
            Notes for the user.

        Raises:
            SourceChanged: if the source is no longer the file that was read.
            UnsupportedFile: if the destination exists and `overwrite` is False.
            ReplaceFailed: if the file system refuses a step.
            RenameUncertain: if a rename over an existing file failed.
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
            raise UnsupportedFile(OUTPUT_EXISTS, code=ReasonCode.OUTPUT_EXISTS) from None
        except OSError as error:
            raise _failed("can't put the new file in place", error) from error
        self._is_in_place = True
        return []

    def _exchange(self, temp: str, original: Original, spare: str | None = None) -> list[str]:
        """Put the new file, which lies at `temp`, in the place of an original."""
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
        """Link the new file to a temp name beside `name`. Return None if that fails."""
        temp = Original(name, self._original.fd, self._original.status).new_temp()
        links.callback(self._remove, temp)
        try:
            disk.DISK.link(self.path, temp)
        except OSError:
            return None
        return temp

    def _relink(self, name: str, link: str | None) -> list[str]:
        """Make `name` refer to the new file. If that fails, it keeps the complete old file."""
        try:
            if link is None:
                raise ReplaceFailed("no hard link can be created in its folder")
            original = Original(name, self._original.fd, self._original.status)
            original.check_open()
            original.note_own_change()  # the first exchange changed its ctime
            return self._exchange(link, original)
        except (SourceChanged, ReplaceFailed, OSError) as error:
            return [f"the hard link {os.path.basename(name)} was not updated: {error}"]

    def _remove(self, path: str) -> None:
        """Remove a temp name, but only if it refers to the new file as it was written.

        After an exchange, the temp name refers to the original. If the exchange was undone, another
        program may have written to the new file meanwhile.
        """
        with contextlib.suppress(OSError):
            found = disk.DISK.look_now(path)
            if identity(found) == self._new and self._written in (None, (found.st_size, found.st_mtime_ns)):
                disk.DISK.remove(path)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1  # after an error it is closed, too: never close twice
        disk.DISK.close(fd)


def _failed(what: str, error: OSError) -> ReplaceFailed:
    return ReplaceFailed(f"{what}: {error.strerror}", error.errno)
