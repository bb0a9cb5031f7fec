"""The files that discovery finds and the scheduler hands out."""

from typing import NamedTuple


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
    """

    path: str
    size: int
    counterpart: str | None = None
    hard_links: tuple[str, ...] = ()
    inode: int = 0
    links: int = 1
    like: str | None = None
