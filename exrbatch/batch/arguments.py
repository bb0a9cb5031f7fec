"""The keyword arguments of the library's functions, and the options that they stand for."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypedDict

from exrbatch.batch.options import CompressionLike
from exrbatch.batch.priority import niceness
from exrbatch.batch.run_limits.limits import Limits
from exrbatch.codecs.effort import Effort
from exrbatch.recompression.choices import Hardlinks, Verify

if TYPE_CHECKING:  # this loads the pool, which is not needed for a single file
    from exrbatch.batch.batch_run import ProgressCallback

LIMITS = ("stop_at", "max_duration", "stop_grace", "hours", "max_failures", "bwlimit", "give_way")
"""Names of the arguments that `Limits.parse` takes."""


class RuleArguments(TypedDict, total=False):
    """Keyword arguments of `recompress` and `recompress_many` about what is done to each file.

    Attributes:
        effort: compression strength: "fast", "balanced" (default; about the size that OpenEXR
            itself writes), "high" or "max".
        force: replace a file even if the new one is not smaller, if it has that compression
            already, or if it is protected.
        dry_run: only report what would be done.
        readers: for "auto", the oldest OpenEXR release that must be able to read the result
            (default "2.2").
        allow_lossy: allow a compression that changes samples of some channel.
        include_lossy_sources: also process files whose present compression has changed samples.
            They usually grow.
        allow_aces: also process ACES containers, whose standard forbids compression.
        verify: decoder used to verify the new file: "library" (default; OpenEXR itself, but our own
            code for deep data), "native" (our own code for NONE, RLE, ZIP, ZIPS and ZSTD) or
            "none".
        min_savings: keep the new file only if it is smaller by at least this fraction, 0 to 1.
        copy_skipped: with an output, also copy files that are skipped because of what they are.
        digests: add the content digest to the report, as `content_sha256`.
        verify_cold: verify from disk, not from the page cache (Linux).
        min_age: seconds that must have passed since a file was written. None (default): 60 on
            storage that can't show whether a file is still being written, else 0.
        from_compression: only process files of which any part has this compression, or one of
            these: names, a text such as "none,rle", or values as for `compression`.
        hardlinks: what to do with a file that has several names: "skip" (default), "break" (the
            other names keep the old file) or "relink" (all names get the new file, if all of them
            are below the given paths).
    """

    effort: Effort | str
    force: bool
    dry_run: bool
    readers: str
    allow_lossy: bool
    include_lossy_sources: bool
    allow_aces: bool
    verify: Verify | str
    min_savings: float
    copy_skipped: bool
    digests: bool
    verify_cold: bool
    min_age: float | None
    from_compression: CompressionLike | Iterable[CompressionLike]
    hardlinks: Hardlinks | str


class RunArguments(TypedDict, total=False):
    """Keyword arguments of all functions that process many files.

    Attributes:
        include: gitignore patterns, or one of them. When walking folders, only files that match are
            processed.
        exclude: gitignore patterns, or one of them. When walking folders, what matches is left out.
        min_size: size in bytes of the smallest file that is processed (default 0).
        max_size: size in bytes of the largest file that is processed. None (default): no limit.
        allow_empty: accept folders without a single entry among the paths (default). False: raise
            OptionsError, because a file system may not be mounted there.
        file_timeout: per-file time limit in seconds. None (default) depends on the size of the
            file; 0 means no limit.
        stop_at: time of day, such as "07:30", before which the run must end. No file is started
            that would probably not be finished by then.
        max_duration: the same after some seconds.
        stop_grace: seconds that files in progress may take longer (default 600). Then the workers
            are killed, which is safe for the files.
        hours: when files may start, such as "19:00-07:30" or "mon-fri 19:00-07:30, sat-sun".
        max_failures: stop if more than this many files fail, or more than a share of the files that
            have ended, such as "5%".
        bwlimit: bytes per second that are read and written on average, as a number or with a unit
            as "200M"; or a timetable, such as "08:00,20M 19:00,off". 0 and "off": no limit.
        give_way: pause while other programs keep the machine busy.
        nice: nice value of the workers, 0 to 19. None (default): the lowest priority for CPU and
            disk, unless a render farm has started this process; 0: that of this process.
        jobs: number of worker processes. None (default) uses as many as CPU affinity, control
            groups and memory allow.
        progress: called with a `RunProgress` about ten times a second while the next report is
            awaited, and when a file ends, in the thread that iterates.
    """

    include: str | Iterable[str]
    exclude: str | Iterable[str]
    min_size: int
    max_size: int | None
    allow_empty: bool
    file_timeout: float | None
    stop_at: str | None
    max_duration: float | None
    stop_grace: float
    hours: str | None
    max_failures: str | int | None
    bwlimit: str | float | None
    give_way: bool
    nice: int | None
    jobs: int | None
    progress: "ProgressCallback | None"


class ManyArguments(RuleArguments, RunArguments, total=False):
    """Keyword arguments of `recompress_many`: those of `RuleArguments` and `RunArguments`, and one.

    Attributes:
        journal: keep a journal of a run that writes, for `exrbatch report` and `exrbatch undo`, and
            believe what the journals of earlier runs say about finished files (default True).
    """

    journal: bool


def run_options(arguments: RunArguments) -> dict[str, Any]:
    """Return arguments as attributes of `Options`: patterns as tuples, and limits as one value.

    A single string is one pattern.
    """
    found: dict[str, Any] = dict(arguments)
    found["nice"] = niceness(found.pop("nice", None))
    found["limits"] = Limits.parse(**{name: found.pop(name) for name in LIMITS if name in found})
    for name in ("include", "exclude"):
        patterns = found.get(name, ())
        found[name] = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    return found
