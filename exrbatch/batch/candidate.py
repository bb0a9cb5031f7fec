"""What discovery finds and the scheduler hands out."""

from typing import NamedTuple


class Candidate(NamedTuple):
    """A file to be done: where it is, and its size in bytes.

    `mirror`: its place in the tree that mirrors the sources', if there is one. `twins`: its other names, hard links.
    """

    path: str
    size: int
    mirror: str | None = None
    twins: tuple[str, ...] = ()
