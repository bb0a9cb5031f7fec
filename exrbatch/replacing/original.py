"""The file that is to be replaced, and the proof that nobody has touched it since it was read."""

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
        """Around calls of ours that change the ctime: look before them, take the new ctime for ours after them."""
        self.check_in_place()
        yield
        self.note_own_change()

    def note_own_change(self, name: str | None = None) -> None:
        """Take the ctime of now for that of our own change; everything else must still be as it was.

        `name`: one that the file has just been given, so that its state is known from the answer.
        """
        found = disk.DISK.look_now(self.fd) if name is None else disk.DISK.look(name)
        self.ctime_ns = found.st_ctime_ns

    def check_in_place(self) -> None:
        """Raise `SourceChanged` unless the name stands for the file that was read, and nobody has touched that.

        The ctime tells of writers, too, that put the old mtime back, and of new permissions.
        """
        if self.check_at(self.path).st_ctime_ns != self.ctime_ns:
            raise SourceChanged("its content, owner or permissions were changed while it was processed")

    def check_at(self, path: str) -> os.stat_result:
        """Raise `SourceChanged` unless that name stands for the file that was read, unwritten; return its state.

        It is one look, as that may be a round trip, and nothing comes after it.
        """
        has_writer = is_open_for_writing(self.fd, self.path, self.status.st_dev)
        try:
            found = disk.DISK.look_now(path)
        except FileNotFoundError:
            raise SourceChanged("removed while it was processed") from None
        if identity(found) != identity(self.status):
            raise SourceChanged("replaced by another file while it was processed")
        self._check_unwritten(found, has_writer)
        return found

    def check_open(self) -> None:
        """Raise `SourceChanged` if the file that was read has been written to, or if a writer has it open now."""
        has_writer = is_open_for_writing(self.fd, self.path, self.status.st_dev)
        self._check_unwritten(disk.DISK.look_now(self.fd), has_writer)

    def _check_unwritten(self, now: os.stat_result, has_writer: bool) -> None:
        then = self.status
        if (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns):
            raise SourceChanged("written to while it was processed")
        if (now.st_mode, now.st_uid, now.st_gid) != (then.st_mode, then.st_uid, then.st_gid):
            raise SourceChanged("its owner or permissions were changed while it was processed")
        if has_writer:
            raise SourceChanged("opened for writing by another program")
