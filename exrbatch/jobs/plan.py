"""What is to be done with one file. Light to import: the parent of a run needs no more, and starts sooner for it."""

import enum
from dataclasses import dataclass

from exrbatch.codecs.effort import Effort
from exrbatch.exr.compression import Compression
from exrbatch.recompression.choices import DEFAULT_READERS, Permissions, Prefer, Verify


class Task(enum.StrEnum):
    """What to do with a file.

    COMPARE: only with the file at the destination. MEASURE: pack and unpack it in memory, and write nothing.
    """

    RECOMPRESS = "recompress"
    COMPARE = "compare"
    MEASURE = "measure"


class Hardlinks(enum.StrEnum):
    """What to do with a file that has several names.

    SKIP: leave it alone; BREAK: replace the name that was found, the others keep the old file; RELINK: replace all,
    if all are found.
    """

    SKIP = "skip"
    BREAK = "break"
    RELINK = "relink"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for every file of a run; plain values only.

    `compression` is None for an automatic choice, which then goes by `prefer` among those that the OpenEXR release
    `readers` can read. `force`: keep the new file even if it is not smaller, and write over an existing
    destination. `dry_run`: decide, but write nothing. `allow_lossy`: let a target change samples;
    `include_lossy_sources`: take files whose compression has done so; `allow_aces`: take ACES containers.
    `verify_cold`: read the new file from the disk, not from the page cache, to verify it. `keep_backups`: of the files
    that have a place for one. `min_age`: seconds since a frame was last written, on storage that can't tell whether it
    still is.
    """

    task: Task = Task.RECOMPRESS
    compression: Compression | None = Compression.ZIP
    prefer: Prefer = Prefer.SIZE
    readers: str = DEFAULT_READERS
    effort: Effort = Effort.BALANCED
    force: bool = False
    dry_run: bool = False
    allow_lossy: bool = False
    include_lossy_sources: bool = False
    allow_aces: bool = False
    verify: Verify = Verify.LIBRARY
    verify_cold: bool = False
    hardlinks: Hardlinks = Hardlinks.SKIP
    keep_backups: bool = False
    min_age: float = 60.0

    @property
    def permissions(self) -> Permissions:
        """What the user has allowed besides what is always safe."""
        return Permissions(
            allow_lossy=self.allow_lossy,
            include_lossy_sources=self.include_lossy_sources,
            allow_aces=self.allow_aces,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan(Rules):
    """One job, which can cross to any process.

    `destination` is None for a replacement in place. `backup`: where to keep the original meanwhile. `twins`: its
    other names, hard links to it. `reserved`: bytes of disk that other files in progress may still need. `memory`:
    bytes of memory that this file may take; 0 stands for what every file may take. `threads`: how many may work on it.
    `like`: the path that destination or backup mirror, where that is not `source`. `root`: the folder that must hold
    them, whatever links are on the way.
    """

    source: str
    destination: str | None = None
    backup: str | None = None
    twins: tuple[str, ...] = ()
    reserved: int = 0
    memory: int = 0
    threads: int = 1
    like: str | None = None
    root: str | None = None
