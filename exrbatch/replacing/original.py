"""The file that is to be replaced, with checks that it has not changed since it was read."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from exrbatch.errors import SourceChanged
from exrbatch.replacing import disk
from exrbatch.replacing.file_systems import is_open_for_writing
from exrbatch.replacing.temp_files import identity, temp_name


@dataclass(slots=True)
class Original:
    """File that is to be replaced.

    A hard link or a rename that involves the file changes its ctime. After a change of our own,
    call `note_own_change`, so that later checks accept the new ctime.

    Attributes:
        path: the name of the file.
        fd: the descriptor that it is read from.
        status: its state when it was opened.
        ctime_ns: the ctime that it must have, in nanoseconds.
    """

    path: str
    fd: int
    status: os.stat_result
    ctime_ns: int = field(init=False)

    def __post_init__(self) -> None:
        self.ctime_ns = self.status.st_ctime_ns

    @property
    def directory(self) -> str:
        """The folder of the file."""
        return os.path.dirname(self.path) or "."

    def new_temp(self) -> str:
        """Return a new temp path beside the file."""
        return self.temp_in(self.directory, os.path.basename(self.path))

    def temp_in(self, folder: str, name: str) -> str:
        """Return a new temp path in another folder, for a file that will be called `name` there."""
        return os.path.join(folder, temp_name(name, self.status))

    @contextlib.contextmanager
    def own_change(self) -> Iterator[None]:
        """Wrap our own calls that change the ctime: check before, accept the new ctime after."""
        self.check_in_place()
        yield
        self.note_own_change()

    def note_own_change(self, name: str | None = None) -> None:
        """Accept the current ctime as our own change. Later checks still compare everything else.

        Args:
            name: a name that the file has just been given. Its state is then known from the reply
                to that call, so that no round trip is needed.
        """
        found = disk.DISK.look_now(self.fd) if name is None else disk.DISK.look(name)
        self.ctime_ns = found.st_ctime_ns

    def check_in_place(self) -> None:
        """Check that the name still refers to the file that was read, and that it is unchanged.

        The ctime reveals new permissions, and writers that restore the old mtime.

        Raises:
            SourceChanged: if the file was changed, replaced or removed, or if a writer has it open.
        """
        if self.check_at(self.path).st_ctime_ns != self.ctime_ns:
            raise SourceChanged("its content, owner or permissions were changed while it was being processed")

    def check_at(self, path: str) -> os.stat_result:
        """Check that a name refers to the file that was read and is unchanged except for its ctime.

        The file is examined with a single call, because that may be a round trip to a server. No
        other check follows it.

        Returns:
            The current state of the file.

        Raises:
            SourceChanged: if the file was changed, replaced or removed, or if a writer has it open.
        """
        has_writer = is_open_for_writing(self.fd, self.path, self.status.st_dev)
        try:
            found = disk.DISK.look_now(path)
        except FileNotFoundError:
            raise SourceChanged("removed while it was being processed") from None
        if identity(found) != identity(self.status):
            raise SourceChanged("replaced by another file while it was being processed")
        self._check_unwritten(found, has_writer)
        return found

    def check_open(self) -> None:
        """Check the file by its descriptor, whatever its name refers to.

        Raises:
            SourceChanged: if its content, owner or permissions have changed, or if a writer has it
                open.
        """
        has_writer = is_open_for_writing(self.fd, self.path, self.status.st_dev)
        self._check_unwritten(disk.DISK.look_now(self.fd), has_writer)

    def _check_unwritten(self, now: os.stat_result, has_writer: bool) -> None:
        then = self.status
        if (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns):
            raise SourceChanged("written to while it was being processed")
        if (now.st_mode, now.st_uid, now.st_gid) != (then.st_mode, then.st_uid, then.st_gid):
            raise SourceChanged("its owner or permissions were changed while it was being processed")
        if has_writer:
            raise SourceChanged("opened for writing by another program")
