"""What discovery finds and the scheduler hands out."""

from typing import NamedTuple


class Candidate(NamedTuple):
    """A file to be done, as the scan saw it.

    Attributes:
        path: where it is.
        size: bytes.
        counterpart: its place in the output tree, or None if there is none.
        hard_links: its other names, hard links that are to get the new file, too.
        inode: its inode number, 0 where that is not known.
        links: how many names it has.
        like: the path that its place mirrors, where it was named through a link.
    """

    path: str
    size: int
    counterpart: str | None = None
    hard_links: tuple[str, ...] = ()
    inode: int = 0
    links: int = 1
    like: str | None = None
