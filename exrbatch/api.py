"""The two functions of the library. The command line uses the same code."""

from collections.abc import Iterable, Iterator
from os import PathLike, fsdecode
from os.path import islink, lexists, realpath
from typing import TypedDict, Unpack

from exrbatch.batch.discovery.candidate import Candidate
from exrbatch.batch.options import CompressionLike, Options
from exrbatch.codecs.effort import Effort
from exrbatch.errors import OptionsError
from exrbatch.exr.compression import Compression
from exrbatch.jobs import job
from exrbatch.jobs.file_report import FileReport
from exrbatch.recompression.choices import Hardlinks, Verify

Path = str | bytes | PathLike[str] | PathLike[bytes]


class RuleArguments(TypedDict, total=False):
    """Keyword arguments of both `recompress` and `recompress_many`.

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
            code for deep data), "native" (our own code for NONE, ZIP, ZIPS and ZSTD) or
            "none".
        verify_cold: verify from disk, not from the page cache (Linux).
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
    verify_cold: bool
    hardlinks: Hardlinks | str


def recompress(
    path: Path,
    compression: CompressionLike = Compression.ZIP,
    *,
    output: Path | None = None,
    backup: Path | None = None,
    **rules: Unpack[RuleArguments],
) -> FileReport:
    """Recompress one OpenEXR file losslessly, in this process.

    The file is replaced atomically. Before that, the new file is read back and compared: its header
    and pixels must be the same.

    Args:
        path: the file. If it is a symbolic link, its target is recompressed.
        compression: a name ("zip", "piz", ...), an `exrbatch.Compression`, an `OpenEXR.Compression`
            or an `Imath.Compression`; or "auto" or "auto:speed" to choose by a sample of the file.
            A deep part that cannot have it gets the nearest legal one.
        output: write the new file to this path, and leave the original as it is.
        backup: also keep the original under this path, as a hard link or, if that is impossible, as
            a copy.
        rules: see `RuleArguments`.

    Returns:
        The report of the file. A damaged file, a full disk and the like raise no exception. The
        report then has the status FAILED and a reason of one line, and the original is untouched.

    Raises:
        OptionsError: an argument is invalid, or the file does not exist. It is a `ValueError`.
    """
    options = Options.parse(
        compression=compression,
        output=_decoded(output),
        backup_dir=_decoded(backup),
        keep_backups=backup is not None,
        **rules,
    )
    source = fsdecode(path)
    if not lexists(source):
        raise OptionsError(f"no such file: {source}")
    source = realpath(source) if islink(source) else source
    return job.run(options.job(Candidate(source, 0, options.tree_root)))


def recompress_many(
    paths: Path | Iterable[Path],
    compression: CompressionLike = Compression.ZIP,
    *,
    output: Path | None = None,
    backup_dir: Path | None = None,
    keep_backups: bool = False,
    file_timeout: float | None = None,
    jobs: int | None = None,
    **rules: Unpack[RuleArguments],
) -> Iterator[FileReport]:
    """Recompress files, folders and frame sequences with a pool of worker processes.

    Folders are walked recursively. Nothing starts before the first report is requested. If the
    iterator is closed, the files in progress are finished and no others are started. Workers import
    the main module, so a script must call this function below `if __name__ == "__main__":`.

    Args:
        paths: files, folders and frame sequences (`beauty.####.exr`, `beauty.%04d.exr`,
            `beauty.1001-1100x2#.exr`).
        compression: as for `recompress`.
        output: write the new files to the same tree in this folder, and leave the originals as they
            are.
        backup_dir: keep each original in this folder, in the same tree, until its new file is in
            place.
        keep_backups: keep the backups permanently.
        file_timeout: per-file time limit in seconds. None depends on the size of the file; 0 means
            no limit.
        jobs: number of worker processes. None uses as many as CPU affinity, control groups and
            memory allow.
        rules: see `RuleArguments`.

    Returns:
        An iterator over the reports. Each file is reported when it ends, in no particular order.

    Raises:
        OptionsError: an argument is invalid, or a path does not exist. Raised before anything
            starts.
        RunStopped: the run ended early because the disk is full or workers keep dying. Raised by
            the iterator, after the last report.
    """
    from exrbatch.batch.run import Run  # loads the pool, not needed for a single file

    options = Options.parse(
        compression=compression,
        output=_decoded(output),
        backup_dir=_decoded(backup_dir),
        keep_backups=keep_backups,
        file_timeout=file_timeout,
        jobs=jobs,
        **rules,
    )
    if isinstance(paths, str | bytes | PathLike):
        paths = [paths]
    return Run([fsdecode(path) for path in paths], options).reports()


def _decoded(path: Path | None) -> str | None:
    return None if path is None else fsdecode(path)
