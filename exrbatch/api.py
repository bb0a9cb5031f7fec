"""The library's two calls. The command line is another caller of the same floors."""

from collections.abc import Iterable, Iterator
from os import PathLike, fsdecode
from os.path import islink, lexists, realpath

from exrbatch.batch.options import CompressionLike, Options
from exrbatch.codecs.effort import Effort
from exrbatch.errors import OptionsError
from exrbatch.exr.compression import Compression
from exrbatch.file import job
from exrbatch.file.plan import DEFAULT_READERS, Verify
from exrbatch.file.report import FileReport

Path = str | bytes | PathLike[str] | PathLike[bytes]


def recompress(
    path: Path,
    compression: CompressionLike = Compression.ZIP,
    *,
    output: Path | None = None,
    effort: Effort | str = Effort.BALANCED,
    force: bool = False,
    dry_run: bool = False,
    readers: str = DEFAULT_READERS,
    allow_lossy: bool = False,
    include_lossy_sources: bool = False,
    allow_aces: bool = False,
    verify: Verify | str = Verify.NATIVE,
) -> FileReport:
    """Recompress one OpenEXR file losslessly, in this process.

    The file is replaced atomically, and only after the new file was read back from disk and shown to hold the same
    header and pixels.

    Args:
        path: the file; a symbolic link stands for its target.
        compression: a name ("zip", "piz", ...), an `exrbatch.Compression`, an `OpenEXR.Compression` or an
            `Imath.Compression`; "auto" or "auto:speed" to choose by a sample. Deep parts get the nearest legal one.
        output: write the new file to this path instead and leave the original as it is.
        effort: "fast", "balanced" (about the size that OpenEXR itself writes) or "max".
        force: replace the file even if the new one is not smaller or it has that compression already.
        dry_run: only tell what would be done.
        readers: for "auto", the oldest OpenEXR release that must be able to read the file.
        allow_lossy: let the compression change samples, where it is a lossy one for some channel.
        include_lossy_sources: take files whose compression has changed samples; they usually grow.
        allow_aces: take ACES containers, in which the standard forbids compression.
        verify: who unpacks the new file to prove it: "native" (our own code; what the OpenEXR library packed,
            it unpacks), "library" (OpenEXR itself, but for deep data), "none".

    Returns:
        How the file ended. A damaged file, a full disk and the like are no exceptions but a report with
        the status FAILED and a reason of one line; the original is then untouched.

    Raises:
        OptionsError: an argument makes no sense or there is no such file; it is a `ValueError`.
    """
    options = Options.parse(
        compression=compression,
        effort=effort,
        force=force,
        dry_run=dry_run,
        readers=readers,
        allow_lossy=allow_lossy,
        include_lossy_sources=include_lossy_sources,
        allow_aces=allow_aces,
        verify=verify,
    )
    source = fsdecode(path)
    if not lexists(source):
        raise OptionsError(f"no such file: {source}")
    source = realpath(source) if islink(source) else source
    return job.run(options.plan(source, None if output is None else fsdecode(output)))


def recompress_many(
    paths: Path | Iterable[Path],
    compression: CompressionLike = Compression.ZIP,
    *,
    output: Path | None = None,
    effort: Effort | str = Effort.BALANCED,
    force: bool = False,
    dry_run: bool = False,
    readers: str = DEFAULT_READERS,
    allow_lossy: bool = False,
    include_lossy_sources: bool = False,
    allow_aces: bool = False,
    verify: Verify | str = Verify.NATIVE,
    jobs: int | None = None,
) -> Iterator[FileReport]:
    """Recompress files, folders (walked recursively) and frame sequences with a pool of worker processes.

    Yields each file's report as the file ends, in no particular order. Nothing starts before the first report is
    asked for, and closing the iterator lets the files in flight finish and starts no others. As workers import
    the main module, a script must call this below `if __name__ == "__main__":`.

    Args:
        paths: files, folders and frame sequences (`beauty.####.exr`, `beauty.%04d.exr`, `beauty.1001-1100x2#.exr`).
        compression: as for `recompress`.
        output: mirror the tree in this folder and leave the originals as they are.
        effort: as for `recompress`.
        force: as for `recompress`.
        dry_run: as for `recompress`.
        readers: as for `recompress`.
        allow_lossy: as for `recompress`.
        include_lossy_sources: as for `recompress`.
        allow_aces: as for `recompress`.
        verify: as for `recompress`.
        jobs: worker processes; None takes what affinity, control groups and memory allow.

    Raises:
        OptionsError: an argument makes no sense, or a path does not exist; raised before anything starts.
    """
    from exrbatch.batch.run import Run  # loads the pool, which a single file needs not

    options = Options.parse(
        compression=compression,
        readers=readers,
        allow_lossy=allow_lossy,
        include_lossy_sources=include_lossy_sources,
        allow_aces=allow_aces,
        verify=verify,
        effort=effort,
        output=None if output is None else fsdecode(output),
        force=force,
        dry_run=dry_run,
        jobs=jobs,
    )
    if isinstance(paths, str | bytes | PathLike):
        paths = [paths]
    names = [fsdecode(path) for path in paths]
    return Run(names, options).reports()
