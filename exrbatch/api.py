"""The library's two calls. The command line calls the same code."""

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
    """Arguments of both calls.

    effort: "fast", "balanced" (default: about the size that OpenEXR itself writes) or "max".
    force: replace a file even if the new one is not smaller, it has that compression already, or it is protected.
    dry_run: only tell what would be done.
    readers: for "auto", the oldest OpenEXR release that must be able to read the file (default "2.2").
    allow_lossy: let the compression change samples, where it is a lossy one for some channel.
    include_lossy_sources: take files whose compression has changed samples; they usually grow.
    allow_aces: take ACES containers, in which the standard forbids compression.
    verify: who unpacks the new file to prove it: "library" (default: OpenEXR itself, but for deep data), "native" (our
        own code, where there is some), "none".
    verify_cold: read the new file from the disk, not from the page cache, to verify it (Linux).
    hardlinks: what to do with a file that has other names: "skip" (default), "break" (they keep the old file) or
        "relink" (all get the new file, if all of them lie below the paths given).
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

    The file is replaced atomically, and only after the new file was read back and shown to hold the same
    header and pixels.

    Args:
        path: the file; a symbolic link stands for its target.
        compression: a name ("zip", "piz", ...), an `exrbatch.Compression`, an `OpenEXR.Compression` or an
            `Imath.Compression`; "auto" or "auto:speed" to choose by a sample. Deep parts get the nearest legal one.
        output: write the new file to this path instead and leave the original as it is.
        backup: keep the original under this path, too: as a hard link, or a copy where that can't be.
        rules: as described in `RuleArguments`.

    Returns:
        How the file ended. A damaged file, a full disk and the like are no exceptions but a report with
        the status FAILED and a reason of one line; the original is then untouched.

    Raises:
        OptionsError: an argument makes no sense or there is no such file; it is a `ValueError`.
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
    """Recompress files, folders (walked recursively) and frame sequences with a pool of worker processes.

    Yields each file's report as the file ends, in no particular order. Nothing starts before the first report is
    asked for, and closing the iterator lets the files in flight finish and starts no others. As workers import
    the main module, a script must call this below `if __name__ == "__main__":`.

    Args:
        paths: files, folders and frame sequences (`beauty.####.exr`, `beauty.%04d.exr`, `beauty.1001-1100x2#.exr`).
        compression: as for `recompress`.
        output: mirror the tree in this folder and leave the originals as they are.
        backup_dir: mirror the tree of originals in this folder until each new file is in place.
        keep_backups: keep them there for good.
        file_timeout: seconds after which a file is given up; None goes by its size, 0 is for ever.
        jobs: worker processes; None takes what affinity, control groups and memory allow.
        rules: as described in `RuleArguments`.

    Raises:
        OptionsError: an argument makes no sense, or a path does not exist; raised before anything starts.
        RunStopped: the run ended early, as the disk is full or workers keep dying; raised after the last report.
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
