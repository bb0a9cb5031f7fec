"""The files that discovery finds and the scheduler hands out."""

from typing import NamedTuple

from exrbatch.jobs.known import Known
from exrbatch.jobs.restoring import Restore


class Candidate(NamedTuple):
    """A file to be processed, as the scan found it.

    Attributes:
        path: path of the file.
        size: size in bytes.
        counterpart: path of its place in the output tree; None if there is no tree.
        hard_links: its other names, which must get the new file, too.
        inode: its inode number; 0 if unknown.
        links: number of its names (hard links).
        like: the path that its place in the output tree mirrors, if it was named through a symbolic
            link.
        mtime_ns: time of the last change of its content, in nanoseconds since 1970; 0 if unknown.
        ctime_ns: time of the last change of its content, owner or permissions, in nanoseconds since
            1970; 0 if unknown.
        known: what an earlier run has recorded about it, if a look at its state proves nothing.
        restore: what it was before an earlier run that is to be undone.
    """

    path: str
    size: int
    counterpart: str | None = None
    hard_links: tuple[str, ...] = ()
    inode: int = 0
    links: int = 1
    like: str | None = None
    mtime_ns: int = 0
    ctime_ns: int = 0
    known: Known | None = None
    restore: Restore | None = None

    @property
    def needs(self) -> int:
        """Bytes of disk space that its new file may need."""
        return self.size if self.restore is None else max(self.size, self.restore.before.size)
