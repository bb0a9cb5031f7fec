"""`exrbatch.scan`, for programs that use the library."""

from collections.abc import Iterable
from os import PathLike, fsdecode

from exrbatch.batch.discovery.selection import Selection
from exrbatch.inventory import scanning
from exrbatch.inventory.listing import Inventory

Path = str | bytes | PathLike[str] | PathLike[bytes]


def scan(
    paths: Path | Iterable[Path],
    *,
    headers: bool = False,
    include: str | Iterable[str] = (),
    exclude: str | Iterable[str] = (),
) -> Inventory:
    """List frame sequences, single files, links and broken headers below some paths.

    Nothing is changed, and no pixels are read.

    Args:
        paths: files, folders and frame sequences, as for `recompress_many`.
        headers: read the header and the chunk tables of every file, not the header of one file of
            each sequence.
        include: gitignore patterns, or one of them. When walking folders, only files that match are
            listed.
        exclude: gitignore patterns, or one of them. When walking folders, what matches is left out.

    Returns:
        What was found, as frozen values. Broken files are in `failures`.

    Raises:
        OptionsError: a path does not exist, or a pattern is invalid.
    """
    every = [paths] if isinstance(paths, str | bytes | PathLike) else paths
    include, exclude = ([each] if isinstance(each, str) else list(each) for each in (include, exclude))
    return scanning.scan(map(fsdecode, every), Selection(include, exclude), all_headers=headers)
